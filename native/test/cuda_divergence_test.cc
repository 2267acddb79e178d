// The divergences of the CUDA half against their definitions in double, and, where numbers are not finite,
// against the CPU's answer to the same call. On the host's stand-in for a device all of it runs with the
// limits of sm_90 and of sm_80, since kernels are chosen by them.
#include <cstdlib>

#include "cuda_divergence_fixture.h"

namespace {

using namespace cuda_test;
using namespace cuda_test::divergence;

double rounding_of(lap_dtype dtype) {
  return dtype == LAP_F32 ? 0 : dtype == LAP_BF16 ? 1. / 256 : 1. / 2048;
}

void check_value(const Problem& p, const std::vector<float>& value, const char* what) {
  for (int64_t t = 0; t < p.given.rows; ++t) {
    const std::string where = p.given.name() + ": " + what + " of row " + std::to_string(t);
    const double got = value[static_cast<size_t>(t)];
    if (t == kMasked) check(got == 0 && !std::signbit(got), where + " is 0");
    if (!p.is_plain(t)) continue;
    const double expected = oracle(p, t).value;
    // Relative, however small, where both rows have the same transform; the roundings of a softcap shift lse
    // by up to 1e-6, and its square remains.
    const bool alike =
        p.student.temperatures[static_cast<size_t>(t)] == p.teacher.temperatures[static_cast<size_t>(t)] &&
        p.given.student.softcap == p.given.teacher.softcap;
    const double least = !alike ? 2e-6 : p.given.student.softcap != 0 ? 2e-12 : 1e-15;
    const double bound = 1e-5 * std::fabs(expected) + least;
    check(std::fabs(got - expected) <= bound, where + " is " + std::to_string(got) + " for " +
                                                  std::to_string(expected) + ", off by " +
                                                  std::to_string((got - expected) / expected));
  }
}

void check_gradient(const Problem& p, const std::vector<float>& out, const char* what) {
  const double rounding = rounding_of(p.given.student.dtype);
  for (int64_t t = 0; t < p.given.rows; ++t) {
    const std::string where = p.given.name() + ": " + what + " of row " + std::to_string(t);
    const float* row = out.data() + t * p.student.stride;
    if (t == kMasked || t == kWeightless)
      check(std::all_of(row, row + p.given.vocab, [](float g) { return g == 0; }), where + " is 0");
    if (!p.is_plain(t)) continue;
    const Expected expected = oracle(p, t);
    const double weight = p.weights[static_cast<size_t>(t)];
    double worst = 0;
    for (size_t v = 0; v < expected.gradient.size(); ++v) {
      const double g = weight * expected.gradient[v];
      const double slack = rounding * std::fabs(g) + (p.given.student.dtype == LAP_F16 ? 6e-8 : 0);
      worst = std::max(worst, std::fabs(static_cast<double>(row[v]) - g) - slack);
    }
    const double unit = (std::fabs(weight) + 1e-30) / p.student.temperatures[static_cast<size_t>(t)];
    // Of logits that lie close together the gradient is small, and so is its error.
    const double apart = t == 1 ? 1 : std::min(1., static_cast<double>(p.given.apart));
    const double size = apart * (1 + std::fabs(expected.value));
    check(worst / unit <= 4e-6 * size,
          where + " off by " + std::to_string(worst / unit / size * 1e6) + "e-6");
  }
}

void check_against_cpu(const Problem& p, Runner& runner, const std::vector<float>& value,
                       const std::vector<float>& gradient) {
  std::vector<float> value_there;
  const std::vector<float> there = runner.on_cpu(&value_there);
  for (size_t t = 0; t < value.size(); ++t)
    check(is_near(value[t], value_there[t], 1e-5), p.given.name() + ": as on the CPU, row " +
                                                       std::to_string(t) + " " + std::to_string(value[t]) +
                                                       " for " + std::to_string(value_there[t]));
  const double bound = 1e-5 + 2 * rounding_of(p.given.student.dtype);
  for (int64_t t = 0; t < p.given.rows; ++t) {
    bool near = true;
    for (int64_t v = 0; v < p.given.vocab; ++v) {
      const size_t i = static_cast<size_t>(t * p.student.stride + v);
      near = near && is_near(gradient[i], there[i], bound);
    }
    check(near, p.given.name() + ": gradient as on the CPU, row " + std::to_string(t));
  }
}

void test_case(lap_cuda_context* ctx, lap_context* cpu, const Case& given, unsigned seed) {
  const Problem p(given, seed);
  Runner runner(ctx, cpu, p);
  const auto value = runner.value();
  check_value(p, value, "value");
  std::vector<float> own;
  for (const bool in_place : {false, true}) {
    const auto gradient = runner.gradient(in_place, &own);
    check(std::memcmp(own.data(), value.data(), own.size() * sizeof(float)) == 0 || given.specials,
          given.name() + ": the same value with and without the gradient");
    check_gradient(p, gradient, in_place ? "gradient in place" : "gradient");
    check_against_cpu(p, runner, own, gradient);
  }
}

void test_equal_rows(lap_cuda_context* ctx, lap_context* cpu, lap_divergence_kind kind, float softcap,
                     int64_t vocab) {
  Case given{.kind = kind, .student = {.dtype = LAP_BF16, .softcap = softcap}, .vocab = vocab, .apart = 0};
  given.teacher = given.student;
  given.teacher.shift = 3;
  Problem p(given, 3);
  for (int64_t v = 0; v < given.vocab; ++v) p.teacher.set(1, v, static_cast<float>(p.student.x(1, v)));
  Runner runner(ctx, cpu, p);
  std::vector<float> value;
  const auto gradient = runner.gradient(false, &value);
  for (int64_t t = 0; t < given.rows; ++t) {
    const float* row = gradient.data() + t * p.student.stride;
    check(value[static_cast<size_t>(t)] == 0 &&
              std::all_of(row, row + given.vocab, [](float g) { return g == 0; }),
          given.name() + ": equal rows give 0, row " + std::to_string(t));
  }
}

// The same call again, and a row alone at another place in memory, give the same bits.
void test_invariance(lap_cuda_context* ctx, lap_context* cpu, lap_divergence_kind kind, int64_t vocab) {
  for (const lap_dtype dtype : {LAP_F32, LAP_BF16}) {
    Case given{.kind = kind, .student = {.dtype = dtype}, .teacher = {.dtype = LAP_F16}, .vocab = vocab};
    const Problem many(given, 11);
    Runner runner(ctx, cpu, many);
    std::vector<float> first_value, value;
    const auto first = runner.gradient(false, &first_value, 0), again = runner.gradient(false, &value, 0);
    check(first == again && first_value == value, given.name() + ": the same call gives the same bits");
    Case alone = given;
    alone.rows = 1;
    for (const size_t shift : {0, 1, 5}) {
      alone.student.shift = shift;
      Problem one(alone, 11);
      for (int64_t v = 0; v < given.vocab; ++v) {
        one.student.set(0, v, static_cast<float>(many.student.x(4, v)));
        one.teacher.set(0, v, static_cast<float>(many.teacher.x(4, v)));
      }
      one.weights[0] = many.weights[4];
      const auto own = Runner(ctx, cpu, one).gradient(false, &value, 2);
      check(value[0] == first_value[4] &&
                std::equal(own.begin(), own.end(), first.begin() + 4 * many.student.stride),
            given.name() + ": a row alone gives the bits it gives among others, shift " +
                std::to_string(shift));
    }
  }
}

void test_errors(lap_cuda_context* ctx) {
  const auto refused = [&](const lap_divergence_args& args, const char* named) {
    check(lap_cuda_divergence(ctx, &args) == LAP_INVALID_ARGUMENT &&
              std::string(lap_cuda_error_message(ctx)).find(named) != std::string::npos,
          std::string(named) + " is named");
  };
  check(lap_cuda_divergence(ctx, nullptr) == LAP_INVALID_ARGUMENT, "NULL arguments");
  lap_divergence_args args{};
  args.struct_size = sizeof args;
  check(lap_cuda_divergence(nullptr, &args) == LAP_INVALID_ARGUMENT, "NULL context");
  args.student_transform.temperature = args.teacher_transform.temperature = 1;
  args.vocab = args.student_stride = args.teacher_stride = 10;
  check(lap_cuda_divergence(ctx, &args) == LAP_OK, "no rows");
  args.rows = 2;
  refused(args, "student");
  args.kind = LAP_DIVERGENCE_JSD;
  args.beta = 1;
  refused(args, "beta");
  args.beta = 0.5;
  args.teacher_dtype = static_cast<lap_dtype>(9);
  refused(args, "teacher_dtype");
}

void test_types(lap_cuda_context* ctx, lap_context* cpu, lap_divergence_kind kind, unsigned* seed) {
  const auto run = [&](const Case& given) { test_case(ctx, cpu, given, (*seed)++); };
  for (const lap_dtype student : {LAP_F32, LAP_BF16, LAP_F16}) {
    for (const lap_dtype teacher : {LAP_F32, LAP_BF16, LAP_F16}) {
      for (const int64_t vocab : {1, 2, 7, 8, 33, 1000, 4099})
        run({.kind = kind, .student = {.dtype = student}, .teacher = {.dtype = teacher}, .vocab = vocab});
      for (const int64_t vocab : {2051, 20011})
        run({.kind = kind,
             .student = {.dtype = student, .padding = 5, .shift = 3},
             .teacher = {.dtype = teacher, .padding = 2, .shift = 1},
             .vocab = vocab});
    }
  }
}

void test_transforms(lap_cuda_context* ctx, lap_context* cpu, lap_divergence_kind kind, int64_t vocab,
                     std::initializer_list<lap_dtype> students, unsigned* seed) {
  const auto run = [&](const Case& given) { test_case(ctx, cpu, given, (*seed)++); };
  for (const lap_dtype student : students) {
    run({.kind = kind,
         .student = {.dtype = student},
         .teacher = {.dtype = student},
         .rows = 12,
         .vocab = vocab,
         .specials = true});
    run({.kind = kind,
         .student = {.dtype = student, .softcap = 20},
         .teacher = {.softcap = 20},
         .rows = 12,
         .vocab = vocab,
         .specials = true});
    run({.kind = kind,
         .student = {.dtype = student, .temperature = 0.5f, .softcap = 20},
         .teacher = {.temperature = 1.5f},
         .vocab = vocab});
    run({.kind = kind,
         .student = {.dtype = student, .per_row = true},
         .teacher = {.dtype = LAP_BF16, .temperature = 0.75f},
         .vocab = vocab});
    run({.kind = kind,
         .student = {.dtype = student, .per_row = true},
         .teacher = {.per_row = true},
         .vocab = vocab});
  }
}

void test_small_divergences(lap_cuda_context* ctx, lap_context* cpu, lap_divergence_kind kind,
                            unsigned* seed) {
  for (const float apart : {1e-2f, 1e-4f}) {
    test_case(ctx, cpu, {.kind = kind, .vocab = 3001, .apart = apart}, (*seed)++);
    test_case(ctx, cpu, {.kind = kind, .vocab = 30011, .apart = apart}, (*seed)++);
    test_case(
        ctx, cpu,
        {.kind = kind, .student = {.softcap = 30}, .teacher = {.softcap = 30}, .vocab = 3001, .apart = apart},
        (*seed)++);
  }
}

// Rows that are held in shared memory where a device has enough, by 1, 2, 4 and 8 blocks; and longer ones.
void test_long_rows(lap_cuda_context* ctx, lap_context* cpu, lap_divergence_kind kind, unsigned* seed) {
  for (const int64_t vocab : {9001, 30012, 60013, 152063})
    test_case(ctx, cpu,
              {.kind = kind,
               .student = {.dtype = LAP_BF16},
               .teacher = {.dtype = LAP_BF16},
               .rows = vocab > 100000 ? 2 : 5,
               .vocab = vocab},
              (*seed)++);
  test_case(ctx, cpu, {.kind = kind, .rows = 2, .vocab = 110003}, (*seed)++);
}

}  // namespace

int main() {
  lap_cuda_context* ctx = open_context();
  lap_context* cpu = open_cpu();
  unsigned seed = 1;
  for (const char* capability : {"90", "80"}) {
    // Read by the stand-in only.
    setenv("LAPIDARY_SIMT_CAPABILITY", capability, 1);
    for (const auto kind : kKinds) {
      test_types(ctx, cpu, kind, &seed);
      test_small_divergences(ctx, cpu, kind, &seed);
      test_long_rows(ctx, cpu, kind, &seed);
      test_transforms(ctx, cpu, kind, 777, {LAP_F32, LAP_BF16, LAP_F16}, &seed);
      for (const int64_t vocab : {18005, 40009}) test_transforms(ctx, cpu, kind, vocab, {LAP_BF16}, &seed);
      for (const int64_t vocab : {4099, 40009}) {
        test_equal_rows(ctx, cpu, kind, 0, vocab);
        test_equal_rows(ctx, cpu, kind, 20, vocab);
        test_invariance(ctx, cpu, kind, vocab);
      }
    }
  }
  test_errors(ctx);
  lap_context_destroy(cpu);
  lap_cuda_context_destroy(ctx);
  return finish();
}

// The divergences of the CUDA half against their definitions in double written here, and, where numbers are
// not finite, against the CPU's answer to the same call.
#include <algorithm>
#include <cstring>

#include "cuda_fixture.h"

namespace {

using namespace cuda_test;

constexpr float kBeta = 0.3f;
constexpr lap_divergence_kind kKinds[] = {LAP_DIVERGENCE_FORWARD_KL, LAP_DIVERGENCE_REVERSE_KL,
                                          LAP_DIVERGENCE_JSD};

struct Side {
  lap_dtype dtype = LAP_F32;
  int64_t padding = 0;
  size_t shift = 0;
  float temperature = 1, softcap = 0;
  bool per_row = false;
};

struct Case {
  lap_divergence_kind kind = LAP_DIVERGENCE_FORWARD_KL;
  Side student{}, teacher{};
  int64_t rows = 5, vocab = 1000;
  float spread = 3, apart = 1;
  bool specials = false;

  std::string name() const {
    const auto side = [](const Side& s) {
      return std::string(name_of(s.dtype)) + " padding " + std::to_string(s.padding) + " shift " +
             std::to_string(s.shift) + " temperature " + std::to_string(s.temperature) + " softcap " +
             std::to_string(s.softcap);
    };
    return "kind " + std::to_string(kind) + " (" + side(student) + "), (" + side(teacher) + ") V " +
           std::to_string(vocab) + " apart " + std::to_string(apart) + (specials ? " specials" : "");
  }
};

struct Rows {
  Side given;
  int64_t stride;
  Matrix logits;
  std::vector<float> temperatures;

  Rows(const Side& side, const Case& c)
      : given(side),
        stride(c.vocab + side.padding),
        logits(side.dtype, static_cast<size_t>(c.rows * stride)) {
    for (int64_t t = 0; t < c.rows; ++t)
      temperatures.push_back(side.per_row ? 0.5f + 0.25f * static_cast<float>(t) : side.temperature);
  }
  void set(int64_t t, int64_t v, float x) { logits.set(static_cast<size_t>(t * stride + v), x); }
  double x(int64_t t, int64_t v) const { return logits.get(static_cast<size_t>(t * stride + v)); }
  double z(int64_t t, int64_t v) const {
    const double value = x(t, v), cap = given.softcap;
    const bool plain = cap == 0 || std::isinf(value);
    return (plain ? value : cap * std::tanh(value / cap)) / temperatures[static_cast<size_t>(t)];
  }
  double slope(int64_t t, int64_t v) const {
    const double share = given.softcap == 0 ? 0 : std::tanh(x(t, v) / given.softcap);
    return (1 - share * share) / temperatures[static_cast<size_t>(t)];
  }
  std::vector<double> log_probabilities(int64_t t, int64_t vocab) const {
    double top = -HUGE_VAL, sum = 0;
    for (int64_t v = 0; v < vocab; ++v) top = std::max(top, z(t, v));
    for (int64_t v = 0; v < vocab; ++v) sum += std::exp(z(t, v) - top);
    std::vector<double> out;
    for (int64_t v = 0; v < vocab; ++v) out.push_back(z(t, v) - top - std::log(sum));
    return out;
  }
};

constexpr int64_t kMasked = 3, kWeightless = 2;

struct Problem {
  Case given;
  Rows student, teacher;
  std::vector<uint8_t> mask;
  std::vector<float> weights;

  Problem(const Case& c, unsigned seed) : given(c), student(c.student, c), teacher(c.teacher, c) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (int64_t t = 0; t < c.rows; ++t) {
      for (int64_t v = 0; v < c.vocab; ++v) {
        const float x = c.spread * normal(random);
        student.set(t, v, x);
        teacher.set(t, v, x + c.apart * normal(random));
      }
      mask.push_back(t == kMasked ? 0 : 1);
      weights.push_back(t == kWeightless ? 0.f : normal(random));
    }
    // What is masked out is not read.
    if (c.rows > kMasked) {
      for (int64_t v = 0; v < c.vocab; ++v) student.set(kMasked, v, NAN);
    }
    // A teacher who is certain.
    if (c.rows > 1) teacher.set(1, c.vocab / 2, 30.f);
    if (c.specials) add_specials();
  }
  // Rows beyond the first five.
  void add_specials() {
    const int64_t vocab = given.vocab;
    for (int64_t v = 0; v < vocab; ++v) student.set(5, v, -INFINITY);
    for (int64_t v = 0; v < vocab; ++v) teacher.set(6, v, -INFINITY);
    student.set(7, vocab / 2, NAN);
    teacher.set(8, vocab - 1, INFINITY);
    student.set(9, vocab / 3, -INFINITY);
    teacher.set(10, vocab / 3, -INFINITY);
    for (int64_t v = 0; v < vocab; v += 2) student.set(11, v, -INFINITY);
    for (int64_t v = 0; v < vocab; v += 2) teacher.set(11, v, -INFINITY);
  }
  bool is_plain(int64_t t) const { return t != kMasked && (t < 5 || !given.specials); }
};

struct Expected {
  double value;
  std::vector<double> gradient;  // to the student's logits
};

double or_zero(double p, double u) { return p == 0 ? 0 : p * u; }

Expected oracle(const Problem& p, int64_t t) {
  const auto log_s = p.student.log_probabilities(t, p.given.vocab);
  const auto log_t = p.teacher.log_probabilities(t, p.given.vocab);
  const double beta = kBeta;
  long double value = 0, mean = 0;
  std::vector<double> to_z;
  for (size_t v = 0; v < log_s.size(); ++v) {
    const double s = std::exp(log_s[v]), q = std::exp(log_t[v]), m = beta * q + (1 - beta) * s;
    switch (p.given.kind) {
      case LAP_DIVERGENCE_FORWARD_KL:
        value += or_zero(q, log_t[v] - log_s[v]);
        to_z.push_back(s - q);
        break;
      case LAP_DIVERGENCE_REVERSE_KL:
        value += or_zero(s, log_s[v] - log_t[v]);
        to_z.push_back(or_zero(s, log_s[v] - log_t[v]));
        break;
      default: {
        // log(s / m) from the difference of the logs, or the digits of a small divergence would be lost here.
        const double to_m = -std::log1p(beta * std::expm1(log_t[v] - log_s[v]));
        const double teacher_to_m = -std::log1p((1 - beta) * std::expm1(log_s[v] - log_t[v]));
        value += beta * or_zero(q, m == 0 ? 0 : teacher_to_m) + (1 - beta) * or_zero(s, to_m);
        to_z.push_back((1 - beta) * or_zero(s, to_m));
      }
    }
  }
  if (p.given.kind != LAP_DIVERGENCE_FORWARD_KL) {
    for (const double g : to_z) mean += g;
    for (size_t v = 0; v < to_z.size(); ++v) to_z[v] -= std::exp(log_s[v]) * static_cast<double>(mean);
  }
  for (size_t v = 0; v < to_z.size(); ++v) to_z[v] *= p.student.slope(t, static_cast<int64_t>(v));
  return {static_cast<double>(value), to_z};
}

class Runner {
 public:
  Runner(lap_cuda_context* ctx, lap_context* cpu, const Problem& problem)
      : ctx_(ctx),
        cpu_(cpu),
        p_(problem),
        teacher_(ctx, p_.teacher.logits.bytes, p_.given.teacher.shift * p_.teacher.logits.element_bytes()),
        student_temperatures_(ctx, p_.student.temperatures),
        teacher_temperatures_(ctx, p_.teacher.temperatures),
        mask_(ctx, p_.mask),
        weights_(ctx, p_.weights) {}

  std::vector<float> value() {
    OnDevice<uint8_t> student(ctx_, p_.student.logits.bytes, student_shift());
    OnDevice<float> out(ctx_, std::vector<float>(static_cast<size_t>(p_.given.rows), 7));
    auto args = prepared<lap_divergence_args>(student.data());
    args.value = out.data();
    check(lap_cuda_divergence(ctx_, &args) == LAP_OK, p_.given.name() + ": value");
    check(lap_cuda_synchronize(ctx_) == LAP_OK, p_.given.name() + ": value ends well");
    return out.host();
  }

  std::vector<float> gradient(bool in_place, std::vector<float>* value, size_t out_shift = 1) {
    OnDevice<uint8_t> student(ctx_, p_.student.logits.bytes, student_shift());
    OnDevice<uint8_t> out(ctx_, std::vector<uint8_t>(p_.student.logits.bytes.size(), 0x55),
                          out_shift * p_.student.logits.element_bytes());
    OnDevice<float> values(ctx_, std::vector<float>(static_cast<size_t>(p_.given.rows), 7));
    auto args = prepared<lap_divergence_with_gradient_args>(student.data());
    args.value = values.data();
    args.row_weights = weights_.data();
    args.dstudent = in_place ? static_cast<void*>(student.data()) : out.data();
    args.dstudent_stride = p_.student.stride;
    check(lap_cuda_divergence_with_gradient(ctx_, &args) == LAP_OK, p_.given.name() + ": gradient");
    *value = values.host();
    return read(in_place ? student.host() : out.host());
  }

  std::vector<float> on_cpu(std::vector<float>* value) {
    value->assign(static_cast<size_t>(p_.given.rows), 7);
    std::vector<uint8_t> out(p_.student.logits.bytes.size());
    auto args = prepared<lap_divergence_with_gradient_args>(p_.student.logits.bytes.data());
    args.teacher = p_.teacher.logits.bytes.data();
    if (p_.given.student.per_row) args.student_transform.temperatures = p_.student.temperatures.data();
    if (p_.given.teacher.per_row) args.teacher_transform.temperatures = p_.teacher.temperatures.data();
    args.mask = p_.mask.data();
    args.value = value->data();
    args.row_weights = p_.weights.data();
    args.dstudent = out.data();
    args.dstudent_stride = p_.student.stride;
    check(lap_divergence_with_gradient(cpu_, &args) == LAP_OK, p_.given.name() + ": on the CPU");
    return read(out);
  }

 private:
  size_t student_shift() const { return p_.given.student.shift * p_.student.logits.element_bytes(); }

  template <class Args>
  Args prepared(const void* student) {
    Args args{};
    args.struct_size = sizeof args;
    args.kind = p_.given.kind;
    args.beta = kBeta;
    args.rows = p_.given.rows;
    args.vocab = p_.given.vocab;
    args.student = student;
    args.student_dtype = p_.given.student.dtype;
    args.student_stride = p_.student.stride;
    args.student_transform = {p_.given.student.temperature,
                              p_.given.student.per_row ? student_temperatures_.data() : nullptr,
                              p_.given.student.softcap};
    args.teacher = teacher_.data();
    args.teacher_dtype = p_.given.teacher.dtype;
    args.teacher_stride = p_.teacher.stride;
    args.teacher_transform = {p_.given.teacher.temperature,
                              p_.given.teacher.per_row ? teacher_temperatures_.data() : nullptr,
                              p_.given.teacher.softcap};
    args.mask = mask_.data();
    return args;
  }
  std::vector<float> read(const std::vector<uint8_t>& bytes) {
    std::vector<float> out(p_.student.logits.size());
    for (size_t i = 0; i < out.size(); ++i) out[i] = p_.student.logits.read(bytes.data(), i);
    return out;
  }

  lap_cuda_context* ctx_;
  lap_context* cpu_;
  const Problem& p_;
  OnDevice<uint8_t> teacher_;
  OnDevice<float> student_temperatures_, teacher_temperatures_;
  OnDevice<uint8_t> mask_;
  OnDevice<float> weights_;
};

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
    // Relative, however small, where both rows have the same transform.
    const bool alike =
        p.student.temperatures[static_cast<size_t>(t)] == p.teacher.temperatures[static_cast<size_t>(t)] &&
        p.given.student.softcap == p.given.teacher.softcap;
    const double bound = 1e-5 * std::fabs(expected) + (alike ? 1e-15 : 2e-6);
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

void test_equal_rows(lap_cuda_context* ctx, lap_context* cpu, lap_divergence_kind kind, float softcap) {
  Case given{.kind = kind, .student = {.dtype = LAP_BF16, .softcap = softcap}, .vocab = 4099, .apart = 0};
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
void test_invariance(lap_cuda_context* ctx, lap_context* cpu, lap_divergence_kind kind) {
  for (const lap_dtype dtype : {LAP_F32, LAP_BF16}) {
    Case given{.kind = kind, .student = {.dtype = dtype}, .teacher = {.dtype = LAP_F16}, .vocab = 5003};
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

}  // namespace

int main() {
  lap_cuda_context* ctx = open_context();
  lap_context* cpu = open_cpu();
  unsigned seed = 1;
  const auto run = [&](const Case& given) { test_case(ctx, cpu, given, seed++); };
  for (const auto kind : kKinds) {
    for (const lap_dtype student : {LAP_F32, LAP_BF16, LAP_F16}) {
      for (const lap_dtype teacher : {LAP_F32, LAP_BF16, LAP_F16}) {
        for (const int64_t vocab : {1, 2, 7, 8, 33, 1000, 4099})
          run({.kind = kind, .student = {.dtype = student}, .teacher = {.dtype = teacher}, .vocab = vocab});
        run({.kind = kind,
             .student = {.dtype = student, .padding = 5, .shift = 3},
             .teacher = {.dtype = teacher, .padding = 2, .shift = 1},
             .vocab = 2051});
      }
      run({.kind = kind,
           .student = {.dtype = student},
           .teacher = {.dtype = student},
           .rows = 12,
           .vocab = 1203,
           .specials = true});
      run({.kind = kind,
           .student = {.dtype = student, .softcap = 20},
           .teacher = {.softcap = 20},
           .rows = 12,
           .vocab = 1203,
           .specials = true});
      run({.kind = kind,
           .student = {.dtype = student, .temperature = 0.5f, .softcap = 20},
           .teacher = {.temperature = 1.5f},
           .vocab = 777});
      run({.kind = kind,
           .student = {.dtype = student, .per_row = true},
           .teacher = {.per_row = true},
           .vocab = 777});
    }
    for (const float apart : {1e-2f, 1e-4f}) {
      run({.kind = kind, .vocab = 3001, .apart = apart});
      run({.kind = kind,
           .student = {.softcap = 30},
           .teacher = {.softcap = 30},
           .vocab = 3001,
           .apart = apart});
    }
    test_equal_rows(ctx, cpu, kind, 0);
    test_equal_rows(ctx, cpu, kind, 20);
    test_invariance(ctx, cpu, kind);
  }
  run({.student = {.dtype = LAP_BF16}, .teacher = {.dtype = LAP_BF16}, .rows = 2, .vocab = 152063});
  test_errors(ctx);
  lap_context_destroy(cpu);
  lap_cuda_context_destroy(ctx);
  return finish();
}

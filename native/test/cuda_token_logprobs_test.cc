// The token log-probs of the CUDA half against sums in double written here, and, where numbers are not
// finite, against the CPU's answer to the same call. On the host's stand-in for a device all of it runs with
// the limits of sm_90 and of sm_80, since kernels are chosen by them.
#include <algorithm>
#include <cstdlib>

#include "cuda_fixture.h"

namespace {

using namespace cuda_test;

struct Case {
  lap_dtype dtype = LAP_F32;
  int64_t rows = 5, vocab = 1000, padding = 0;
  size_t shift = 0;
  float temperature = 1, softcap = 0, spread = 3;
  bool per_row = false, specials = false;

  std::string name() const {
    return std::string(name_of(dtype)) + " V " + std::to_string(vocab) + " padding " +
           std::to_string(padding) + " shift " + std::to_string(shift) + " temperature " +
           std::to_string(temperature) + " softcap " + std::to_string(softcap) + " spread " +
           std::to_string(spread) + (specials ? " specials" : "");
  }
};

struct Problem {
  Case given;
  int64_t stride;
  Matrix logits;
  std::vector<int32_t> targets;
  std::vector<float> temperatures, dlogp, dentropy, weights;

  Problem(const Case& c, unsigned seed)
      : given(c), stride(c.vocab + c.padding), logits(c.dtype, static_cast<size_t>(c.rows * stride)) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (size_t i = 0; i < logits.size(); ++i) logits.set(i, c.spread * normal(random));
    for (int64_t t = 0; t < c.rows; ++t) {
      targets.push_back(static_cast<int32_t>(random() % static_cast<unsigned>(c.vocab)));
      temperatures.push_back(c.per_row ? 0.5f + 0.25f * static_cast<float>(t) : c.temperature);
      dlogp.push_back(t == 3 ? 0.f : normal(random));
      dentropy.push_back(t >= 3 ? 0.f : normal(random));
      weights.push_back(t == 2 ? 0.f : normal(random));
    }
    // A certain answer, whose log-prob is next to 0.
    if (c.rows > 1) set(1, targets[1], 40.f);
    if (c.rows > 4) targets[4] = -100;
    if (c.specials) add_specials();
  }
  void set(int64_t t, int64_t v, float x) { logits.set(static_cast<size_t>(t * stride + v), x); }
  double x(int64_t t, int64_t v) const { return logits.get(static_cast<size_t>(t * stride + v)); }

  // Rows beyond the first five.
  void add_specials() {
    for (int64_t v = 0; v < given.vocab; ++v) set(5, v, -INFINITY);
    for (int64_t v = 0; v < given.vocab; ++v)
      if (v != targets[6]) set(6, v, -INFINITY);
    set(7, given.vocab / 2, NAN);
    set(8, targets[8], -INFINITY);
    set(9, given.vocab - 1, INFINITY);
    for (int64_t v = 0; v < given.vocab; ++v) set(10, v, 1.5f);  // ties
    for (int64_t v = 0; v < given.vocab; v += 2) set(11, v, -INFINITY);
  }

  double z(int64_t t, int64_t v) const {
    return transformed(x(t, v), temperatures[static_cast<size_t>(t)], given.softcap);
  }
  double slope(int64_t t, int64_t v) const {
    return transform_slope(x(t, v), temperatures[static_cast<size_t>(t)], given.softcap);
  }
};

struct Row {
  double logp, lse, entropy;
  int64_t top1;
};

Row oracle(const Problem& p, int64_t t) {
  double top = -HUGE_VAL;
  int64_t top1 = -1;
  for (int64_t v = 0; v < p.given.vocab; ++v) {
    if (p.z(t, v) > top) {
      top = p.z(t, v);
      top1 = v;
    }
  }
  const int64_t target = p.targets[static_cast<size_t>(t)];
  double sum = 0, weighted = 0, others = 0;
  for (int64_t v = 0; v < p.given.vocab; ++v) {
    const double gap = p.z(t, v) - top, e = std::exp(gap);
    sum += e;
    if (v != target) others += e;
    if (e > 0) weighted += e * gap;
  }
  const double gap = p.z(t, target) - top;
  const double logp = gap == 0 ? -std::log1p(others) : gap - std::log(sum);
  return {logp, top + std::log(sum), std::log(sum) - weighted / sum, top1};
}

struct Outputs {
  std::vector<float> logp, lse, entropy;
  std::vector<int32_t> top1;
};

class Runner {
 public:
  Runner(lap_cuda_context* ctx, lap_context* cpu, const Problem& problem)
      : ctx_(ctx),
        cpu_(cpu),
        p_(problem),
        logits_(ctx, problem.logits.bytes, problem.given.shift * problem.logits.element_bytes()),
        targets_(ctx, problem.targets),
        temperatures_(ctx, problem.temperatures) {}

  template <class Args>
  Args prepared(bool device) {
    Args args{};
    args.struct_size = sizeof args;
    args.logits = device ? static_cast<const void*>(logits_.data()) : p_.logits.bytes.data();
    args.dtype = p_.given.dtype;
    args.rows = p_.given.rows;
    args.vocab = p_.given.vocab;
    args.row_stride = p_.stride;
    args.targets = device ? targets_.data() : p_.targets.data();
    args.ignore_index = -100;
    args.transform = {p_.given.temperature, nullptr, p_.given.softcap};
    if (p_.given.per_row)
      args.transform.temperatures = device ? temperatures_.data() : p_.temperatures.data();
    return args;
  }

  Outputs forward(bool want_entropy) {
    const size_t n = static_cast<size_t>(p_.given.rows);
    OnDevice<float> logp(ctx_, std::vector<float>(n, 7)), lse(ctx_, std::vector<float>(n, 7)),
        entropy(ctx_, std::vector<float>(n, 7));
    OnDevice<int32_t> top1(ctx_, std::vector<int32_t>(n, 7));
    auto args = prepared<lap_token_logprobs_args>(true);
    args.logp = logp.data();
    args.lse = lse.data();
    args.entropy = want_entropy ? entropy.data() : nullptr;
    args.top1 = top1.data();
    check(lap_cuda_token_logprobs(ctx_, &args) == LAP_OK, p_.given.name() + ": forward");
    check(lap_cuda_synchronize(ctx_) == LAP_OK, p_.given.name() + ": forward ends well");
    return {logp.host(), lse.host(), entropy.host(), top1.host()};
  }

  Outputs on_cpu() {
    const size_t n = static_cast<size_t>(p_.given.rows);
    Outputs out{std::vector<float>(n), std::vector<float>(n), std::vector<float>(n), std::vector<int32_t>(n)};
    auto args = prepared<lap_token_logprobs_args>(false);
    args.logp = out.logp.data();
    args.lse = out.lse.data();
    args.entropy = out.entropy.data();
    args.top1 = out.top1.data();
    check(lap_token_logprobs(cpu_, &args) == LAP_OK, p_.given.name() + ": forward on the CPU");
    return out;
  }

  // Gradients as values, in place or with another alignment than the logits'.
  std::vector<float> backward(const Outputs& of, bool with_entropy, bool in_place) {
    OnDevice<float> logp(ctx_, of.logp), lse(ctx_, of.lse), entropy(ctx_, of.entropy), dlogp(ctx_, p_.dlogp),
        dentropy(ctx_, p_.dentropy);
    OnDevice<uint8_t> own(ctx_, p_.logits.bytes, p_.given.shift * p_.logits.element_bytes());
    OnDevice<uint8_t> out(ctx_, std::vector<uint8_t>(p_.logits.bytes.size()), p_.logits.element_bytes());
    auto args = prepared<lap_token_logprobs_backward_args>(true);
    args.logits = own.data();
    args.logp = logp.data();
    args.lse = lse.data();
    args.dlogp = dlogp.data();
    args.entropy = with_entropy ? entropy.data() : nullptr;
    args.dentropy = with_entropy ? dentropy.data() : nullptr;
    args.dlogits = in_place ? static_cast<void*>(own.data()) : out.data();
    args.dlogits_stride = p_.stride;
    check(lap_cuda_token_logprobs_backward(ctx_, &args) == LAP_OK, p_.given.name() + ": backward");
    return values(in_place ? own.host() : out.host());
  }

  std::vector<float> with_gradient(bool weighted, bool in_place, Outputs* of) {
    const size_t n = static_cast<size_t>(p_.given.rows);
    OnDevice<float> logp(ctx_, std::vector<float>(n, 7)), lse(ctx_, std::vector<float>(n, 7)),
        entropy(ctx_, std::vector<float>(n, 7)), weights(ctx_, p_.weights);
    OnDevice<uint8_t> own(ctx_, p_.logits.bytes, p_.given.shift * p_.logits.element_bytes());
    OnDevice<uint8_t> out(ctx_, std::vector<uint8_t>(p_.logits.bytes.size()));
    auto args = prepared<lap_token_logprobs_with_gradient_args>(true);
    args.logits = own.data();
    args.row_weights = weighted ? weights.data() : nullptr;
    args.logp = logp.data();
    args.lse = lse.data();
    args.entropy = entropy.data();
    args.dlogits = in_place ? static_cast<void*>(own.data()) : out.data();
    args.dlogits_stride = p_.stride;
    check(lap_cuda_token_logprobs_with_gradient(ctx_, &args) == LAP_OK, p_.given.name() + ": with gradient");
    *of = {logp.host(), lse.host(), entropy.host(), {}};
    return values(in_place ? own.host() : out.host());
  }

 private:
  std::vector<float> values(const std::vector<uint8_t>& bytes) {
    std::vector<float> out(p_.logits.size());
    for (size_t i = 0; i < out.size(); ++i) out[i] = p_.logits.read(bytes.data(), i);
    return out;
  }

  lap_cuda_context* ctx_;
  lap_context* cpu_;
  const Problem& p_;
  OnDevice<uint8_t> logits_;
  OnDevice<int32_t> targets_;
  OnDevice<float> temperatures_;
};

bool is_plain(const Problem& p, int64_t t) { return t < 4 || (t > 4 && !p.given.specials); }

void check_forward(const Problem& p, const Outputs& out, bool entropy, const char* what) {
  for (int64_t t = 0; t < p.given.rows; ++t) {
    if (!is_plain(p, t)) continue;
    const Row row = oracle(p, t);
    const size_t i = static_cast<size_t>(t);
    const std::string where = p.given.name() + ": " + what + " row " + std::to_string(t);
    // Of logp the relative error counts too: next to 0 it must keep its digits.
    const double bound = 3e-6 * std::fabs(row.logp) + (row.logp > -1e-3 ? 0 : 3e-6);
    check(std::fabs(out.logp[i] - row.logp) <= bound,
          where + " logp " + std::to_string(out.logp[i]) + " for " + std::to_string(row.logp));
    check(is_near(out.lse[i], row.lse, 2e-6), where + " lse");
    if (entropy) check(is_near(out.entropy[i], row.entropy, 2e-5), where + " entropy");
    if (!out.top1.empty()) check(out.top1[i] == row.top1, where + " top1 " + std::to_string(out.top1[i]));
  }
}

void check_gradient(const Problem& p, const std::vector<float>& out, const std::vector<float>& dlogp,
                    const std::vector<float>* dentropy, const char* what) {
  const double rounding = p.given.dtype == LAP_F32 ? 0 : p.given.dtype == LAP_BF16 ? 1. / 256 : 1. / 2048;
  for (int64_t t = 0; t < p.given.rows; ++t) {
    if (!is_plain(p, t)) continue;
    const Row row = oracle(p, t);
    const double g = dlogp[static_cast<size_t>(t)],
                 h = dentropy == nullptr ? 0 : (*dentropy)[static_cast<size_t>(t)];
    double worst = 0;
    for (int64_t v = 0; v < p.given.vocab; ++v) {
      const double log_p = p.z(t, v) - row.lse, q = std::exp(log_p);
      const bool is_target = v == p.targets[static_cast<size_t>(t)];
      const double by_z = g * (is_target ? -std::expm1(row.logp) : -q) - h * q * (log_p + row.entropy);
      const double expected = by_z * p.slope(t, v), got = out[static_cast<size_t>(t * p.stride + v)];
      // What a 16-bit type cannot hold, and denormals of f16, are no error of ours.
      const double slack = rounding * std::fabs(expected) + (p.given.dtype == LAP_F16 ? 6e-8 : 0);
      const double unit = (std::fabs(g) + std::fabs(h) + 1e-30) / p.temperatures[static_cast<size_t>(t)];
      worst = std::max(worst, (std::fabs(got - expected) - slack) / unit);
    }
    // A backward knows lse from two floats; the better of them bounds its error.
    const double coarse = 6.5e-8 * std::min(std::fabs(row.lse), std::fabs(row.logp));
    check(worst <= 3e-6 + coarse,
          p.given.name() + ": " + what + " row " + std::to_string(t) + " off by " + std::to_string(worst));
  }
}

void check_zero_row(const Problem& p, const std::vector<float>& out, int64_t t, const char* what) {
  bool zero = true;
  for (int64_t v = 0; v < p.given.vocab; ++v) zero = zero && out[static_cast<size_t>(t * p.stride + v)] == 0;
  check(zero, p.given.name() + ": " + what + " row " + std::to_string(t) + " is 0");
}

void test_case(lap_cuda_context* ctx, lap_context* cpu, const Case& given, unsigned seed) {
  const Problem p(given, seed);
  Runner runner(ctx, cpu, p);
  const Outputs plain = runner.forward(false), out = runner.forward(true);
  check_forward(p, out, true, "forward");
  check(plain.logp.size() == out.logp.size() &&
            std::equal(plain.top1.begin(), plain.top1.end(), out.top1.begin()),
        given.name() + ": top1 with and without entropy");
  const Outputs reference = runner.on_cpu();
  for (size_t i = 0; i < out.logp.size(); ++i) {
    const std::string where = given.name() + ": as on the CPU, row " + std::to_string(i);
    check(is_near(out.logp[i], reference.logp[i], 3e-6),
          where + " logp " + std::to_string(out.logp[i]) + " for " + std::to_string(reference.logp[i]));
    check(is_near(out.lse[i], reference.lse[i], 3e-6), where + " lse");
    check(is_near(out.entropy[i], reference.entropy[i], 2e-5), where + " entropy");
    check(out.top1[i] == reference.top1[i],
          where + " top1 " + std::to_string(out.top1[i]) + " for " + std::to_string(reference.top1[i]));
  }
  for (const bool in_place : {false, true}) {
    const auto one = runner.backward(out, false, in_place);
    check_gradient(p, one, p.dlogp, nullptr, "backward");
    check_zero_row(p, one, 3, "backward of a weight of 0");
    check_zero_row(p, one, 4, "backward of an ignored row");
    check_gradient(p, runner.backward(out, true, in_place), p.dlogp, &p.dentropy, "backward with entropy");
    Outputs both;
    check_gradient(p, runner.with_gradient(false, in_place, &both), std::vector<float>(p.dlogp.size(), 1.f),
                   nullptr, "unit gradient");
    check_forward(p, both, true, "forward of the unit gradient");
    const auto scaled = runner.with_gradient(true, in_place, &both);
    check_gradient(p, scaled, p.weights, nullptr, "weighted gradient");
    check_zero_row(p, scaled, 2, "gradient of a weight of 0");
    check_forward(p, both, true, "forward of the weighted gradient");
  }
}

// A row alone, and among others, gives the same bits, wherever it lies; and so does the same call again. By
// the length of the row: of one block, of a cluster where there are clusters, and of neither.
void test_invariance(lap_cuda_context* ctx, lap_context* cpu, lap_dtype dtype, int64_t vocab) {
  Case given;
  given.dtype = dtype;
  given.vocab = vocab;
  const Problem many(given, 11);
  Runner all(ctx, cpu, many);
  const Outputs first = all.forward(true), again = all.forward(true);
  check(first.logp == again.logp && first.entropy == again.entropy, given.name() + ": the same bits again");
  Outputs with, with_again;
  const auto gradient = all.with_gradient(false, false, &with);
  const auto same = all.with_gradient(false, false, &with_again);
  check(gradient == same && with.logp == with_again.logp && with.entropy == with_again.entropy,
        given.name() + ": the same bits again with the gradient");
  Case alone = given;
  alone.rows = 1;
  for (const size_t shift : {0, 1, 3}) {
    alone.shift = shift;
    Problem one(alone, 11);
    for (int64_t v = 0; v < given.vocab; ++v) one.set(0, v, static_cast<float>(many.x(2, v)));
    one.targets[0] = many.targets[2];
    Runner runner(ctx, cpu, one);
    const Outputs own = runner.forward(true);
    const std::string where =
        given.name() + ": a row alone gives the bits it gives among others, shift " + std::to_string(shift);
    check(own.logp[0] == first.logp[2] && own.lse[0] == first.lse[2] && own.entropy[0] == first.entropy[2],
          where);
    Outputs own_with;
    const auto own_gradient = runner.with_gradient(false, true, &own_with);
    check(own_with.logp[0] == with.logp[2] && own_with.entropy[0] == with.entropy[2] &&
              std::equal(own_gradient.begin(), own_gradient.end(), gradient.begin() + 2 * many.stride),
          where + ", with the gradient");
  }
}

void test_bad_targets(lap_cuda_context* ctx, lap_context* cpu, int64_t vocab) {
  Case given;
  given.vocab = vocab;
  Problem p(given, 5);
  p.targets[0] = static_cast<int32_t>(vocab);
  p.targets[2] = -7;
  Runner runner(ctx, cpu, p);
  const Outputs out = runner.forward(true);
  for (const size_t t : {0u, 2u}) {
    check(
        std::isnan(out.logp[t]) && std::isnan(out.lse[t]) && std::isnan(out.entropy[t]) && out.top1[t] == -1,
        "a target out of range gives NaN");
  }
  Outputs with;
  for (const auto& gradient :
       {runner.backward(out, false, false), runner.with_gradient(false, false, &with)}) {
    check(std::isnan(gradient[0]) && std::isnan(gradient[static_cast<size_t>(vocab - 1)]),
          "and NaN as its gradient");
    check(!std::isnan(out.logp[1]) && !std::isnan(gradient[static_cast<size_t>(p.stride)]),
          "other rows are unharmed");
  }
  check(std::isnan(with.logp[0]) && std::isnan(with.lse[2]) && with.logp[1] == with.logp[1],
        "a target out of range gives NaN with the gradient too");
}

void test_errors(lap_cuda_context* ctx) {
  lap_token_logprobs_args args{};
  check(lap_cuda_token_logprobs(ctx, nullptr) == LAP_INVALID_ARGUMENT, "NULL arguments");
  check(lap_cuda_token_logprobs(nullptr, &args) == LAP_INVALID_ARGUMENT, "NULL context");
  args.struct_size = sizeof args;
  args.rows = 3;
  args.vocab = 10;
  args.row_stride = 9;
  args.ignore_index = -1;
  args.transform.temperature = 1;
  check(lap_cuda_token_logprobs(ctx, &args) == LAP_INVALID_ARGUMENT &&
            std::string(lap_cuda_error_message(ctx)).find("targets") != std::string::npos,
        "targets are named");
  args.rows = 0;
  args.row_stride = 10;
  check(lap_cuda_token_logprobs(ctx, &args) == LAP_OK, "no rows");
  void* memory = nullptr;
  check(lap_cuda_allocate(ctx, size_t{1} << 60, &memory) == LAP_OUT_OF_MEMORY && memory == nullptr,
        "out of memory");
  check(lap_cuda_allocate(ctx, 1024, &memory) == LAP_OK && memory != nullptr, "and healthy after it");
  check(lap_cuda_free(ctx, memory) == LAP_OK && lap_cuda_free(ctx, nullptr) == LAP_OK, "freed");
  lap_cuda_context* none = nullptr;
  check(lap_cuda_context_create(99, nullptr, &none) == LAP_INVALID_ARGUMENT && none == nullptr,
        "no such device");
}

// Short rows.
void test_rows(lap_cuda_context* ctx, lap_context* cpu, lap_dtype dtype, unsigned* seed) {
  const auto run = [&](const Case& given) { test_case(ctx, cpu, given, (*seed)++); };
  for (const int64_t vocab : {1, 2, 7, 8, 33, 1000, 4099}) run({.dtype = dtype, .vocab = vocab});
  for (const size_t shift : {1, 3, 7}) run({.dtype = dtype, .vocab = 2051, .padding = 5, .shift = shift});
  run({.dtype = dtype, .vocab = 777, .temperature = 0.3f, .softcap = 20.f, .spread = 10});
  run({.dtype = dtype, .vocab = 777, .spread = 30, .per_row = true});
  run({.dtype = dtype, .rows = 12, .vocab = 1203, .specials = true});
  run({.dtype = dtype, .rows = 12, .vocab = 1203, .softcap = 15.f, .specials = true});
}

// Rows that are held in shared memory where a device has enough, by 1, 2, 4 and 8 blocks.
void test_long_rows(lap_cuda_context* ctx, lap_context* cpu, lap_dtype dtype, unsigned* seed) {
  const auto run = [&](const Case& given) { test_case(ctx, cpu, given, (*seed)++); };
  const int64_t times = dtype == LAP_F32 ? 1 : 2;
  for (const int64_t vocab : {9001, 30011, 60013}) run({.dtype = dtype, .vocab = times * vocab + 1});
  for (const size_t shift : {1, 3, 5})
    run({.dtype = dtype, .vocab = 25003 * times, .padding = 3, .shift = shift, .per_row = true});
  run({.dtype = dtype, .rows = 12, .vocab = 30000 * times, .specials = true});
  run({.dtype = dtype, .rows = 12, .vocab = 18005 * times, .softcap = 15.f, .specials = true});
}

}  // namespace

int main() {
  lap_cuda_context* ctx = open_context();
  lap_context* cpu = open_cpu();
  unsigned seed = 1;
  for (const char* capability : {"90", "80"}) {
    // Read by the stand-in only.
    setenv("LAPIDARY_SIMT_CAPABILITY", capability, 1);
    for (const lap_dtype dtype : {LAP_F32, LAP_BF16, LAP_F16}) {
      test_rows(ctx, cpu, dtype, &seed);
      test_long_rows(ctx, cpu, dtype, &seed);
    }
    test_case(ctx, cpu, {.vocab = 150001, .shift = 3}, seed++);
    test_case(ctx, cpu, {.dtype = LAP_BF16, .vocab = 152064, .spread = 2}, seed++);
    for (const int64_t vocab : {5003, 20011, 60013}) {
      test_invariance(ctx, cpu, LAP_F32, vocab);
      test_invariance(ctx, cpu, LAP_BF16, vocab);
    }
    test_bad_targets(ctx, cpu, 1000);
    test_bad_targets(ctx, cpu, 50000);
  }
  // Where a product z = x / T would have lost its digits.
  test_case(ctx, cpu, {.vocab = 3000, .temperature = 0.01f, .spread = 1000}, seed++);
  test_errors(ctx);
  lap_context_destroy(cpu);
  lap_cuda_context_destroy(ctx);
  return finish();
}

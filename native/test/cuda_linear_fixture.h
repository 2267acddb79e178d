// The linear log-probs' problems, their answers in double, and calls of the CUDA half. Written apart from the
// kernels: an answer is a sum over the definition.
#pragma once

#include <algorithm>
#include <optional>

#include "cuda_fixture.h"

namespace cuda_test {

struct Case {
  lap_dtype dtype = LAP_F32;
  int64_t rows = 5, vocab = 1000, width = 64, padding = 0;
  size_t shift = 0;
  float temperature = 1, softcap = 0, spread = 3, weight_scale = 1;
  bool per_row = false;

  std::string name() const {
    return std::string(name_of(dtype)) + " T " + std::to_string(rows) + " V " + std::to_string(vocab) +
           " H " + std::to_string(width) + (padding > 0 ? " padded" : "") + (softcap > 0 ? " capped" : "") +
           (per_row ? " temperatures" : "") + " temperature " + std::to_string(temperature) + " spread " +
           std::to_string(spread) + " weights x " + std::to_string(weight_scale);
  }
};

constexpr int32_t kIgnored = -100;

struct Problem {
  Case given;
  int64_t hidden_stride, weight_stride;
  Matrix hidden, weight;
  std::vector<int32_t> targets;
  std::vector<float> temperatures, dlogp, before;

  Problem(const Case& c, unsigned seed)
      : given(c),
        hidden_stride(c.width + c.padding),
        weight_stride(c.width + 2 * c.padding),
        hidden(c.dtype, static_cast<size_t>(c.rows * hidden_stride)),
        weight(c.dtype, static_cast<size_t>(c.vocab * weight_stride)),
        before(static_cast<size_t>(c.vocab * c.width)) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const float size = c.spread / std::sqrt(static_cast<float>(c.width));
    for (size_t i = 0; i < hidden.size(); ++i) hidden.set(i, size * normal(random));
    for (size_t i = 0; i < weight.size(); ++i) weight.set(i, normal(random));
    for (float& value : before) value = normal(random);
    for (int64_t t = 0; t < c.rows; ++t) {
      targets.push_back(static_cast<int32_t>(random() % static_cast<unsigned>(c.vocab)));
      temperatures.push_back(c.per_row ? 0.5f + 0.25f * static_cast<float>(t % 7) : c.temperature);
      dlogp.push_back(t % 7 == 3 ? 0.f : c.weight_scale * normal(random));
    }
    // Rows that are not to be read hold NaN.
    for (int64_t t = 2; t < c.rows; t += 5) ignore(t);
  }
  void ignore(int64_t t) {
    targets[static_cast<size_t>(t)] = kIgnored;
    fill_row(t, NAN);
  }
  void fill_row(int64_t t, float value) {
    for (int64_t h = 0; h < given.width; ++h) hidden.set(static_cast<size_t>(t * hidden_stride + h), value);
  }
  bool ignored(int64_t t) const { return targets[static_cast<size_t>(t)] == kIgnored; }
  double x(int64_t t, int64_t h) const { return hidden.get(static_cast<size_t>(t * hidden_stride + h)); }
  double w(int64_t v, int64_t h) const { return weight.get(static_cast<size_t>(v * weight_stride + h)); }
};

struct Answer {
  double logp, lse, entropy;
  int64_t top1;
  std::vector<double> unit;  // (onehot - p) dz/dlogit
};

inline Answer answer(const Problem& p, int64_t t) {
  const int64_t vocab = p.given.vocab, target = p.targets[static_cast<size_t>(t)];
  const double temperature = p.temperatures[static_cast<size_t>(t)], cap = p.given.softcap;
  std::vector<double> z(static_cast<size_t>(vocab)), slope(static_cast<size_t>(vocab));
  for (int64_t v = 0; v < vocab; ++v) {
    double logit = 0;
    for (int64_t h = 0; h < p.given.width; ++h) logit += p.x(t, h) * p.w(v, h);
    const double share = cap == 0 ? 0 : std::tanh(logit / cap);
    z[static_cast<size_t>(v)] = (cap == 0 ? logit : cap * share) / temperature;
    slope[static_cast<size_t>(v)] = (1 - share * share) / temperature;
  }
  const auto top = std::max_element(z.begin(), z.end());
  double others = 0, sum = 0, weighted = 0;
  for (int64_t v = 0; v < vocab; ++v) {
    const double gap = z[static_cast<size_t>(v)] - *top, e = std::exp(gap);
    sum += e;
    weighted += e * gap;
    if (v != target) others += e;
  }
  const double gap = z[static_cast<size_t>(target)] - *top;
  Answer out;
  out.logp = gap == 0 ? -std::log1p(others) : gap - std::log(sum);
  out.lse = *top + std::log(sum);
  out.entropy = std::log(sum) - weighted / sum;
  out.top1 = top - z.begin();
  for (int64_t v = 0; v < vocab; ++v) {
    const size_t i = static_cast<size_t>(v);
    out.unit.push_back((v == target ? -std::expm1(out.logp) : -std::exp(z[i] - out.lse)) * slope[i]);
  }
  return out;
}

// A value, and the sum of the magnitudes that it is the sum of: what rounding scales with. `floor`: what f16
// cannot resolve. A row's gradient is held with its target's entry, the largest, at 2^13 or more, in steps of
// 2^-24 or more; rows of hidden, with the scale of the row that has the largest gradient at 1, in steps of
// 2^-24.
struct Sum {
  double value = 0, size = 0, floor = 0;
  void add(double term) {
    value += term;
    size += std::fabs(term);
  }
};

struct Gradients {
  std::vector<Sum> hidden, weight;
};

inline Gradients gradients(const Problem& p) {
  const int64_t width = p.given.width, vocab = p.given.vocab;
  Gradients out{std::vector<Sum>(static_cast<size_t>(p.given.rows * width)),
                std::vector<Sum>(static_cast<size_t>(vocab * width))};
  double largest = 0;
  std::vector<double> of_tokens(out.weight.size());
  for (int64_t t = 0; t < p.given.rows; ++t) {
    const double g = p.dlogp[static_cast<size_t>(t)];
    if (p.ignored(t) || g == 0) continue;
    const Answer row = answer(p, t);
    const double own = -std::expm1(row.logp) / p.temperatures[static_cast<size_t>(t)];
    largest = std::max(largest, std::fabs(g) * own);
    for (int64_t v = 0; v < vocab; ++v) {
      const double unit = row.unit[static_cast<size_t>(v)];
      for (int64_t h = 0; h < width; ++h) {
        out.hidden[static_cast<size_t>(t * width + h)].add(g * unit * p.w(v, h));
        out.weight[static_cast<size_t>(v * width + h)].add(g * unit * p.x(t, h));
        if (own > 0) of_tokens[static_cast<size_t>(v * width + h)] += std::fabs(unit) / own;
        out.weight[static_cast<size_t>(v * width + h)].floor +=
            std::ldexp(std::fabs(g * p.x(t, h)) * own, -36);
      }
    }
  }
  for (size_t i = 0; i < out.weight.size(); ++i) {
    Sum& sum = out.weight[i];
    sum.floor = p.given.dtype == LAP_F16 ? sum.floor + std::ldexp(largest * of_tokens[i], -24) : 0;
  }
  return out;
}

struct Outputs {
  std::vector<float> logp, lse, entropy;
  std::vector<int32_t> top1;
  bool operator==(const Outputs&) const = default;
};

// Memory for workspaces, which held NaN at first; a call gets the last bytes of it, as many as it has asked
// for and at whatever alignment that gives.
class Scratch {
 public:
  Scratch(lap_cuda_context* ctx, size_t bytes)
      : bytes_(bytes), memory_(ctx, std::vector<uint8_t>(bytes, 0xff)) {}
  void* last(size_t bytes) {
    if (bytes > bytes_) std::abort();
    return memory_.data() + (bytes_ - bytes);
  }

 private:
  size_t bytes_;
  OnDevice<uint8_t> memory_;
};

// Calls on the device.
class Head {
 public:
  Head(lap_cuda_context* ctx, Scratch* scratch, const Problem& problem)
      : ctx_(ctx),
        scratch_(scratch),
        p_(problem),
        hidden_(ctx, problem.hidden.bytes, problem.given.shift * problem.hidden.element_bytes()),
        weight_(ctx, problem.weight.bytes, problem.given.shift * problem.weight.element_bytes()),
        targets_(ctx, problem.targets),
        temperatures_(ctx, problem.temperatures) {
    size_t bytes = 0;
    check(lap_cuda_linear_logprobs_kept_bytes(ctx, problem.given.rows, problem.given.vocab,
                                              problem.given.dtype, &bytes) == LAP_OK,
          "kept bytes");
    kept_bytes_ = bytes;
    kept_.emplace(ctx, std::vector<uint8_t>(bytes, 0xff));
  }

  template <class Args>
  Args prepared(bool kept) {
    Args args{};
    args.struct_size = sizeof args;
    args.hidden = hidden_.data();
    args.weight = weight_.data();
    args.dtype = p_.given.dtype;
    args.rows = p_.given.rows;
    args.vocab = p_.given.vocab;
    args.width = p_.given.width;
    args.hidden_stride = p_.hidden_stride;
    args.weight_stride = p_.weight_stride;
    args.targets = targets_.data();
    args.ignore_index = kIgnored;
    args.transform = {p_.given.temperature, p_.given.per_row ? temperatures_.data() : nullptr,
                      p_.given.softcap};
    if (kept) {
      args.kept = kept_->data();
      args.kept_bytes = kept_bytes_;
    }
    return args;
  }

  Outputs forward(bool kept, bool entropy = true) {
    const size_t n = static_cast<size_t>(p_.given.rows);
    OnDevice<float> logp(ctx_, std::vector<float>(n, 7)), lse(ctx_, std::vector<float>(n, 7)),
        entropies(ctx_, std::vector<float>(n, 7));
    OnDevice<int32_t> top1(ctx_, std::vector<int32_t>(n, 7));
    auto args = prepared<lap_linear_logprobs_args>(kept);
    args.logp = logp.data();
    args.lse = lse.data();
    args.entropy = entropy ? entropies.data() : nullptr;
    args.top1 = entropy ? top1.data() : nullptr;
    size_t bytes = 0;
    check(lap_cuda_linear_logprobs_workspace(ctx_, &args, &bytes) == LAP_OK, p_.given.name() + ": workspace");
    args.workspace = scratch_->last(bytes);
    args.workspace_bytes = bytes;
    report(lap_cuda_linear_logprobs(ctx_, &args), "forward");
    return {logp.host(), lse.host(), entropies.host(), top1.host()};
  }

  struct Result {
    std::vector<float> hidden, weight;
    bool operator==(const Result&) const = default;
  };
  enum Wanted { kBoth, kFrozen, kWeightOnly };
  Result backward(const Outputs& of, bool kept, Wanted wanted = kBoth, bool accumulate = false) {
    OnDevice<float> logp(ctx_, of.logp), lse(ctx_, of.lse), dlogp(ctx_, p_.dlogp);
    OnDevice<float> dhidden(ctx_, std::vector<float>(static_cast<size_t>(p_.given.rows * p_.given.width), 7)),
        dweight(ctx_, accumulate ? p_.before : std::vector<float>(p_.before.size(), 7));
    auto args = prepared<lap_linear_logprobs_backward_args>(kept);
    args.logp = logp.data();
    args.lse = lse.data();
    args.dlogp = dlogp.data();
    args.dhidden = wanted == kWeightOnly ? nullptr : dhidden.data();
    args.dweight = wanted == kFrozen ? nullptr : dweight.data();
    args.accumulate_dweight = accumulate;
    size_t bytes = 0;
    check(lap_cuda_linear_logprobs_backward_workspace(ctx_, &args, &bytes) == LAP_OK,
          p_.given.name() + ": backward's workspace");
    args.workspace = scratch_->last(bytes);
    args.workspace_bytes = bytes;
    report(lap_cuda_linear_logprobs_backward(ctx_, &args), "backward");
    return {dhidden.host(), dweight.host()};
  }

 private:
  void report(lap_status status, const char* what) {
    check(status == LAP_OK && lap_cuda_synchronize(ctx_) == LAP_OK,
          p_.given.name() + ": " + what + " " + lap_cuda_error_message(ctx_));
  }

  lap_cuda_context* ctx_;
  Scratch* scratch_;
  const Problem& p_;
  OnDevice<uint8_t> hidden_, weight_;
  OnDevice<int32_t> targets_;
  OnDevice<float> temperatures_;
  std::optional<OnDevice<uint8_t>> kept_;
  size_t kept_bytes_ = 0;
};

// `all`: entropy and top-1 were asked for.
inline void check_forward(const Problem& p, const Outputs& out, const std::string& what, bool all) {
  for (int64_t t = 0; t < p.given.rows; ++t) {
    const size_t i = static_cast<size_t>(t);
    const std::string where = p.given.name() + ": " + what + " row " + std::to_string(t);
    if (p.ignored(t)) {
      check(out.logp[i] == 0 && out.lse[i] == 0, where + " ignored");
      if (all) check(out.entropy[i] == 0 && out.top1[i] == -1, where + " ignored, entropy and top1");
      continue;
    }
    const Answer row = answer(p, t);
    // Logits are sums of products in f32; of logp the relative error counts too.
    const double slack = 2e-6 * (1 + p.given.spread / p.temperatures[i]);
    const double bound = slack * (row.logp > -1e-3 ? std::fabs(row.logp) * 4 : 1 + std::fabs(row.logp));
    check(std::fabs(out.logp[i] - row.logp) <= bound && out.logp[i] <= 0,
          where + " logp " + std::to_string(out.logp[i]) + " for " + std::to_string(row.logp));
    check(is_near(out.lse[i], row.lse, slack), where + " lse");
    if (!all) continue;
    check(is_near(out.entropy[i], row.entropy, 10 * slack), where + " entropy");
    check(out.top1[i] == row.top1, where + " top1 " + std::to_string(out.top1[i]));
  }
}

}  // namespace cuda_test

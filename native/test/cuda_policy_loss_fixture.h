// A batch for the policy loss, on the host and on the device, and what comes out of it.
#pragma once

#include <algorithm>
#include <memory>
#include <tuple>

#include "cuda_fixture.h"

namespace cuda_test {

struct Batch {
  std::vector<int64_t> lengths;
  std::vector<float> logp, old_logp, behaviour_logp, ref_logp, token_advantages, token_weights;
  std::vector<float> advantages, seq_scale, nft_quality;
  std::vector<uint8_t> mask;
  std::vector<int64_t> pairs;
  bool has_token_advantages = false, has_weights = true, has_mask = true, has_pairs = false;

  int64_t sequences() const { return static_cast<int64_t>(lengths.size()); }
  int64_t tokens() const { return static_cast<int64_t>(logp.size()); }
  std::vector<int64_t> offsets() const {
    std::vector<int64_t> out{0};
    for (const int64_t length : lengths) out.push_back(out.back() + length);
    return out;
  }
  template <class Use>
  void each_column(Use use) {
    for (auto* column : {&logp, &old_logp, &behaviour_logp, &ref_logp, &token_advantages, &token_weights})
      use(*column);
    use(mask);
  }
};

// The second sequence is left out whole where it has tokens and there is a mask. Log-ratios reach beyond +-20
// here and there.
inline Batch random_batch(std::vector<int64_t> lengths, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> uniform(0.f, 1.f);
  Batch b;
  b.lengths = std::move(lengths);
  for (size_t i = 0; i < b.lengths.size(); ++i) {
    const float kinds[] = {normal(random), -std::fabs(normal(random)), 0.f, std::fabs(normal(random))};
    b.advantages.push_back(kinds[random() % 4]);
    b.seq_scale.push_back(1.f / (1.f + static_cast<float>(b.lengths[i])));
    b.nft_quality.push_back(0.9f * uniform(random));
    for (int64_t t = 0; t < b.lengths[i]; ++t) {
      const float p = -3.f * uniform(random) - 1e-3f;
      const bool far = random() % 97 == 0;
      b.logp.push_back(p);
      b.old_logp.push_back(p + (far ? 30.f : 0.2f) * normal(random));
      b.behaviour_logp.push_back(std::min(-1e-4f, p + 0.3f * normal(random)));
      b.ref_logp.push_back(p + 0.4f * normal(random));
      b.token_advantages.push_back(normal(random));
      const float weights[] = {1.f, 1.f, 0.5f, -0.25f, 0.f};
      b.token_weights.push_back(weights[random() % 5]);
      b.mask.push_back(i != 1 && random() % 5 != 0);
    }
  }
  return b;
}

// Excluded tokens may hold anything.
inline void poison_masked(Batch* b) {
  b->each_column([&](auto& column) {
    if constexpr (std::is_same_v<std::decay_t<decltype(column)>, std::vector<float>>)
      for (size_t t = 0; t < column.size(); ++t)
        if (b->mask[t] == 0) column[t] = NAN;
  });
}

// Pairs of any two, some sequences in many of them.
inline void give_pairs(Batch* b, unsigned seed) {
  std::mt19937 random(seed);
  const unsigned count = static_cast<unsigned>(b->lengths.size());
  b->has_pairs = true;
  for (int k = 0; k < 60; ++k) {
    const unsigned chosen = random() % count, other = (chosen + 1 + random() % (count - 1)) % count;
    b->pairs.push_back(chosen);
    b->pairs.push_back(other);
  }
}

struct LossResult {
  lap_status status;
  std::string message;
  std::vector<float> g;
  std::vector<lap_sequence_stats> stats;
  std::vector<double> diagnostics;
};

// Of a padded layout the tokens of each row, one after the other: as packed.
inline std::vector<float> without_padding(const std::vector<float>& padded, const Batch& b, int64_t stride) {
  std::vector<float> out;
  for (int64_t i = 0; i < b.sequences(); ++i)
    out.insert(out.end(), padded.begin() + i * stride,
               padded.begin() + i * stride + b.lengths[static_cast<size_t>(i)]);
  return out;
}

template <class T>
std::vector<T> with_padding(const std::vector<T>& packed, const Batch& b, int64_t stride, T filler) {
  std::vector<T> out;
  size_t from = 0;
  for (const int64_t length : b.lengths) {
    out.insert(out.end(), packed.begin() + static_cast<int64_t>(from),
               packed.begin() + static_cast<int64_t>(from) + length);
    out.insert(out.end(), static_cast<size_t>(stride - length), filler);
    from += static_cast<size_t>(length);
  }
  return out;
}

inline lap_policy_loss_args host_args(Batch& b, const lap_objective& objective,
                                      const std::vector<int64_t>& offsets, LossResult* out) {
  out->g.assign(b.logp.size(), 7.f);
  out->stats.assign(b.lengths.size(), {7, 7, 7, 7, 7});
  out->diagnostics.assign(LAP_DIAG_COUNT, 7);
  lap_policy_loss_args args{};
  args.struct_size = sizeof args;
  args.objective = objective;
  args.tokens = b.tokens();
  args.sequences = b.sequences();
  args.cu_seqlens = offsets.data();
  args.logp = b.logp.data();
  args.old_logp = b.old_logp.data();
  args.behaviour_logp = b.behaviour_logp.data();
  args.ref_logp = b.ref_logp.data();
  args.advantages = b.advantages.data();
  args.token_advantages = b.has_token_advantages ? b.token_advantages.data() : nullptr;
  args.token_weights = b.has_weights ? b.token_weights.data() : nullptr;
  args.mask = b.has_mask ? b.mask.data() : nullptr;
  args.seq_scale = b.seq_scale.data();
  args.nft_quality = b.nft_quality.data();
  args.pairs = b.has_pairs ? b.pairs.data() : nullptr;
  args.pair_count = static_cast<int64_t>(b.pairs.size() / 2);
  args.stats = out->stats.data();
  args.dlogp = out->g.data();
  args.diagnostics = out->diagnostics.data();
  return args;
}

// Advantages by token where there are none: the CPU then maps in double, whatever the objective.
inline LossResult on_cpu(lap_context* cpu, Batch b, const lap_objective& objective, bool in_double = true) {
  if (in_double && !b.has_token_advantages) {
    b.has_token_advantages = true;
    size_t t = 0;
    for (size_t i = 0; i < b.lengths.size(); ++i)
      for (int64_t k = 0; k < b.lengths[i]; ++k) b.token_advantages[t++] = b.advantages[i];
  }
  LossResult out;
  const std::vector<int64_t> offsets = b.offsets();
  lap_policy_loss_args args = host_args(b, objective, offsets, &out);
  size_t bytes = 0;
  lap_policy_loss_workspace(cpu, &args, &bytes);
  std::vector<uint8_t> workspace(bytes);
  args.workspace = workspace.data();
  args.workspace_bytes = bytes;
  out.status = lap_policy_loss(cpu, &args);
  out.message = lap_error_message(cpu);
  return out;
}

// A batch on the device, each column `shift` elements past its alignment, and calls on it. `stride` above 0:
// as rows of it. `args` may be spoiled between the calls.
class OnDeviceBatch {
 public:
  OnDeviceBatch(lap_cuda_context* ctx, Batch b, const lap_objective& objective, size_t shift = 0,
                int64_t stride = 0)
      : ctx_(ctx), stride_(stride) {
    std::vector<int64_t> offsets = b.offsets();
    const std::vector<int64_t> lengths = b.lengths;
    if (stride > 0) {
      const Batch layout = b;
      b.each_column([&](auto& column) {
        using T = typename std::decay_t<decltype(column)>::value_type;
        column = with_padding(column, layout, stride, std::is_same_v<T, float> ? T(NAN) : T(1));
      });
    }
    LossResult unused;
    args = host_args(b, objective, offsets, &unused);
    args.cu_seqlens = stride > 0 ? nullptr : upload(offsets, shift);
    args.row_stride = stride;
    args.lengths = stride > 0 ? upload(lengths, shift) : nullptr;
    args.logp = upload(b.logp, shift);
    args.old_logp = upload(b.old_logp, shift);
    args.behaviour_logp = upload(b.behaviour_logp, shift);
    args.ref_logp = upload(b.ref_logp, shift);
    args.advantages = upload(b.advantages, shift);
    if (b.has_token_advantages) args.token_advantages = upload(b.token_advantages, shift);
    if (b.has_weights) args.token_weights = upload(b.token_weights, shift);
    if (b.has_mask) args.mask = upload(b.mask, shift);
    args.seq_scale = upload(b.seq_scale, shift);
    args.nft_quality = upload(b.nft_quality, shift);
    if (b.has_pairs) args.pairs = upload(b.pairs, shift);
    g_ = std::make_unique<OnDevice<float>>(ctx, unused.g, shift);
    stats_ = std::make_unique<OnDevice<lap_sequence_stats>>(ctx, unused.stats);
    diagnostics_ = std::make_unique<OnDevice<double>>(ctx, unused.diagnostics);
    args.dlogp = g_->data();
    args.stats = stats_->data();
    args.diagnostics = diagnostics_->data();
    size_t bytes = 0;
    check(lap_cuda_policy_loss_workspace(ctx, &args, &bytes) == LAP_OK, "the size query");
    // Whatever is in it, and however it lies.
    workspace_ = std::make_unique<OnDevice<uint8_t>>(ctx, std::vector<uint8_t>(bytes, 0xab), shift);
    args.workspace = workspace_->data();
    args.workspace_bytes = bytes;
  }

  using Call = lap_status (*)(lap_cuda_context*, const lap_policy_loss_args*);
  LossResult run(std::vector<Call> calls = {lap_cuda_policy_loss}) {
    LossResult out{LAP_OK, "", {}, {}, {}};
    for (const Call call : calls) {
      if (out.status != LAP_OK) break;
      out.status = call(ctx_, &args);
      out.message = lap_cuda_error_message(ctx_);
    }
    check(lap_cuda_synchronize(ctx_) == LAP_OK, "the stream ends well");
    out.g = g_->host();
    out.stats = stats_->host();
    out.diagnostics = diagnostics_->host();
    return out;
  }

  template <class T>
  T* upload(const std::vector<T>& values, size_t shift = 0) {
    auto held = std::make_shared<OnDevice<T>>(ctx_, values, shift);
    T* data = held->data();
    held_.push_back(held);
    return data;
  }

  lap_policy_loss_args args;

 private:
  lap_cuda_context* ctx_;
  int64_t stride_;
  std::vector<std::shared_ptr<void>> held_;
  std::unique_ptr<OnDevice<float>> g_;
  std::unique_ptr<OnDevice<lap_sequence_stats>> stats_;
  std::unique_ptr<OnDevice<double>> diagnostics_;
  std::unique_ptr<OnDevice<uint8_t>> workspace_;
};

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}
inline bool same_bits(const LossResult& a, const LossResult& b) {
  return a.status == b.status && same_bits(a.g, b.g) && same_bits(a.stats, b.stats) &&
         same_bits(a.diagnostics, b.diagnostics);
}

// `other`: as good as what is expected.
inline void check_same(const LossResult& got, const LossResult& expected, double bound,
                       const std::string& where, const LossResult* other = nullptr) {
  const LossResult& second = other == nullptr ? expected : *other;
  check(got.status == expected.status, where + ": status " + std::to_string(got.status) + " (" + got.message +
                                           ") for " + std::to_string(expected.status) + " (" +
                                           expected.message + ")");
  if (expected.status != LAP_OK) {
    check(got.message == expected.message, where + ": message " + got.message);
    return;
  }
  int wrong = 0;
  const auto note = [&](const char* what, size_t at, double a, double b, double within) {
    if (is_near(a, b, within) || ++wrong > 3) return;
    std::printf("  %s: %s %zu is %.9g for %.9g\n", where.c_str(), what, at, a, b);
  };
  for (size_t t = 0; t < expected.g.size(); ++t)
    if (!is_near(got.g[t], second.g[t], bound)) note("g", t, got.g[t], expected.g[t], bound);
  for (size_t i = 0; i < expected.stats.size(); ++i) {
    const lap_sequence_stats &a = got.stats[i], &b = expected.stats[i];
    note("kept", i, a.kept, b.kept, 0);
    note("log_ratio_sum", i, a.log_ratio_sum, b.log_ratio_sum, 1e-12);
    note("ratio_sum", i, a.ratio_sum, b.ratio_sum, 1e-12);
    note("importance_sum", i, a.importance_sum, b.importance_sum, 1e-12);
    note("behaviour_sum", i, a.behaviour_sum, b.behaviour_sum, 1e-12);
  }
  for (size_t d = 0; d < expected.diagnostics.size(); ++d)

    if (!is_near(got.diagnostics[d], second.diagnostics[d], bound))
      note("diagnostic", d, got.diagnostics[d], expected.diagnostics[d], bound);
  check(wrong == 0, where + ": " + std::to_string(wrong) + " values differ from the CPU's");
}

}  // namespace cuda_test

// The map of the common objectives (has_float_form) in f32: a tile's sums in f32 over the 16 tokens of a
// lane, all else in f64. Counts are whole numbers.
#pragma once

#include "cuda/policy_loss_context.cuh"
#include "cuda/policy_loss_terms.cuh"
#include "cuda/policy_loss_totals.cuh"

namespace lapidary::cuda {

// One lane's columns of a few tokens, all loaded before any is used. What is not kept is as good as absent:
// NaN would go through all that follows.
template <bool kRatio>
struct TokenColumns {
  static constexpr int kCount = 4;
  float logp[kCount], ratio_anchor[kCount], kl_anchor[kCount], weight[kCount];
  bool inside[kCount], kept[kCount];

  __device__ __forceinline__ TokenColumns(const lap_policy_loss_args& args, const Tile& tile, int first) {
    const float* over = kRatio ? anchor_logp(args, args.objective.ratio_anchor) : nullptr;
    const float* kl =
        args.objective.kl == LAP_KL_NONE ? nullptr : anchor_logp(args, args.objective.kl_anchor);
#pragma unroll
    for (int u = 0; u < kCount; ++u) {
      inside[u] = first + 32 * u < tile.count;
      const int64_t t = tile.begin + (inside[u] ? first + 32 * u : first);
      kept[u] = inside[u] && is_kept(args, t);
      logp[u] = args.logp[t];
      if (kRatio) ratio_anchor[u] = over[t];
      kl_anchor[u] = kl == nullptr ? 0.f : kl[t];
      weight[u] = args.token_weights == nullptr ? 1.f : args.token_weights[t];
    }
#pragma unroll
    for (int u = 0; u < kCount; ++u) {
      logp[u] = kept[u] ? logp[u] : 0.f;
      if (kRatio) ratio_anchor[u] = kept[u] ? ratio_anchor[u] : 0.f;
      kl_anchor[u] = kept[u] ? kl_anchor[u] : 0.f;
      weight[u] = kept[u] ? weight[u] : 1.f;
    }
  }
};

// What a lane's tokens of one tile add up to.
struct TileSums {
  float policy = 0, kl = 0, k1 = 0, ratio = 0, push = 0, logp = 0, relieved_logp = 0;
  unsigned kept = 0, relieved = 0, below = 0, above = 0, overflow = 0, ratios = 0, reversed = 0, bad = 0;
};

template <bool kRatio>
struct SingleMap {
  using Totals = lapidary::cuda::Totals;
  Totals& totals;
  float ratio_max = 0, grad_max = 0;

  __device__ __forceinline__ explicit SingleMap(Totals& in) : totals(in) { totals.clear(); }

  // What is the same for all tokens of a sequence.
  struct Constants {
    float advantage, scale, pull;
    single::ClipBounds<float> bounds;
    bool gated;
  };
  static __device__ __forceinline__ Constants constants_of(const lap_policy_loss_args& args,
                                                           const SequenceContext& of) {
    const lap_objective& objective = args.objective;
    Constants c;
    c.advantage = static_cast<float>(of.map.advantage);
    c.scale = static_cast<float>(of.scale);
    c.pull = static_cast<float>(of.pull.scaled);
    c.gated = of.map.gated && c.advantage != 0;
    if (kRatio)
      c.bounds = objective.gate == LAP_GATE_CLIP_SURROGATE ? single::surrogate_bounds(objective, c.advantage)
                                                           : single::weight_bounds(objective, c.advantage);
    return c;
  }

  // The slope of a gate, weighted.
  __device__ __forceinline__ float push_of(const lap_objective& objective, const Constants& c, float logp,
                                           float ratio_anchor, float weight, bool kept, TileSums* sums) {
    if (!c.gated) return 0;
    const bool active = kept && weight != 0;
    single::PolicyTerm<float> term;
    float slope;
    if (kRatio) {
      const float r = logp - ratio_anchor, rho = single::ratio_of(r);
      if (objective.gate == LAP_GATE_CLIP_SURROGATE) {
        term = single::clip_surrogate_term(c.bounds, r, rho, c.advantage);
        slope = term.by_ratio;
      } else {
        term = single::clip_weight_term(c.bounds, logp, r, rho, c.advantage);
        slope = term.by_logp;
      }
      sums->below += active && term.below;
      sums->above += active && term.above;
      sums->overflow += active && term.overflow;
      sums->ratios += active && term.ratio > 0;
      sums->ratio += active ? term.ratio : 0.f;
      ratio_max = active ? fmaxf(ratio_max, term.ratio) : ratio_max;
    } else {
      term = single::unit_term(logp, c.advantage);
      slope = term.by_logp;
    }
    sums->policy += active ? weight * term.value : 0.f;
    return active ? weight * slope : 0.f;
  }

  __device__ __forceinline__ float kl_of(const lap_objective& objective, float logp, float anchor, bool kept,
                                         TileSums* sums) {
    if (objective.kl == LAP_KL_NONE) return 0;
    const float delta = logp - anchor;
    const single::ExpParts parts =
        objective.kl == LAP_KL_K3 ? single::exp_parts(-delta) : single::ExpParts{0, 0};
    const single::KlTerm<float> term = single::kl_estimator(objective.kl, delta, parts);
    sums->kl += kept ? term.value : 0.f;
    sums->k1 += kept ? delta : 0.f;
    return objective.kl_coefficient * term.slope;
  }

  __device__ __forceinline__ float token(const lap_objective& objective, const Constants& c, float logp,
                                         float ratio_anchor, float kl_anchor, float weight, bool kept,
                                         TileSums* sums) {
    const float push = push_of(objective, c, logp, ratio_anchor, weight, kept, sums);
    const float slope = push + kl_of(objective, logp, kl_anchor, kept, sums);
    const float g = kept ? fmaf(c.scale, slope, c.pull) : 0.f, pushed = c.scale * push;
    sums->push += fabsf(push);
    sums->kept += kept;
    sums->logp += weight != 1 ? 0.f : logp;
    sums->relieved += kept && weight != 1;
    sums->relieved_logp += weight != 1 ? logp : 0.f;
    sums->reversed +=
        kept && fabsf(c.pull) > fabsf(pushed) && ((c.pull < 0 && pushed > 0) || (c.pull > 0 && pushed < 0));
    sums->bad += !isfinite(g);
    grad_max = fmaxf(grad_max, fabsf(g));
    return g;
  }

  __device__ __forceinline__ void add(const lap_objective& objective, const SequenceContext& of,
                                      const Constants& c, const TileSums& sums) {
    totals.sum<LAP_DIAG_POLICY_LOSS>(scaled(of.scale, sums.policy));
    totals.sum<LAP_DIAG_PUSH_ABS>(sums.push);
    totals.sum<LAP_DIAG_PULL_ABS>(scaled(fabs(of.pull.slope), sums.kept));
    totals.count<LAP_DIAG_TOKENS>(sums.kept);
    totals.count<LAP_DIAG_CONSTRAINT_REVERSED>(sums.reversed);
    totals.count<LAP_DIAG_NON_FINITE>(sums.bad);
    if (objective.kl != LAP_KL_NONE) {
      totals.sum<LAP_DIAG_KL_LOSS>(scaled(of.scale * objective.kl_coefficient, sums.kl));
      totals.sum<LAP_DIAG_KL_VALUES>(sums.kl);
      totals.sum<LAP_DIAG_KL_K1_SUM>(sums.k1);
    }
    if (c.advantage > 0) {
      totals.count<LAP_DIAG_POSITIVE_TOKENS>(sums.kept);
      totals.sum<LAP_DIAG_POSITIVE_LOGP>(static_cast<double>(sums.logp) + sums.relieved_logp);
    } else if (c.advantage < 0) {
      totals.count<LAP_DIAG_RELIEVED_TOKENS>(sums.relieved);
      totals.sum<LAP_DIAG_RELIEVED_LOGP>(sums.relieved_logp);
      totals.count<LAP_DIAG_PENALISED_TOKENS>(sums.kept - sums.relieved);
      totals.sum<LAP_DIAG_PENALISED_LOGP>(sums.logp);
    }
    if (!kRatio) return;
    totals.sum<LAP_DIAG_RATIO_SUM>(sums.ratio);
    totals.count<LAP_DIAG_RATIO_TOKENS>(sums.ratios);
    totals.count<LAP_DIAG_RATIO_OVERFLOW>(sums.overflow);
    totals.count<LAP_DIAG_CLIPPED_LOW>(sums.below);
    if (c.bounds.dual)
      totals.count<LAP_DIAG_CLIPPED_DUAL>(sums.above);
    else
      totals.count<LAP_DIAG_CLIPPED_HIGH>(sums.above);
  }

  __device__ __forceinline__ void map(const lap_policy_loss_args& args, const Tile& tile,
                                      const SequenceContext& of) {
    using Columns = TokenColumns<kRatio>;
    const Constants c = constants_of(args, of);
    TileSums sums;
    for (int first = lane_of_thread(); first < tile.count; first += 32 * Columns::kCount) {
      const Columns columns(args, tile, first);
      float g[Columns::kCount];
#pragma unroll
      for (int u = 0; u < Columns::kCount; ++u)
        g[u] = token(args.objective, c, columns.logp[u], kRatio ? columns.ratio_anchor[u] : 0.f,
                     columns.kl_anchor[u], columns.weight[u], columns.kept[u], &sums);
#pragma unroll
      for (int u = 0; u < Columns::kCount; ++u)
        if (columns.inside[u]) args.dlogp[tile.begin + first + 32 * u] = g[u];
    }
    add(args.objective, of, c, sums);
  }

  // Into the warp's row of the block's table, one after the other: all at once would need the registers of
  // all.
  __device__ __forceinline__ void reduce(const lap_objective& objective, double* row) const {
    const int lane = lane_of_thread();
#pragma unroll 1
    for (int d = 0; d < LAP_DIAG_COUNT; ++d) {
      double value = totals.of(d);
      if (d == LAP_DIAG_GRAD_ABS_MAX) value = grad_max;
      if (d == LAP_DIAG_RATIO_MAX) value = ratio_max;
      value = warp_merge(value, d);
      if (lane == 0 && !is_of_sequences(d)) row[d] = value;
    }
    // A clipped weight is still a weight.
    if (lane == 0 && objective.gate == LAP_GATE_CLIP_SURROGATE)
      row[LAP_DIAG_CLIPPED] =
          row[LAP_DIAG_CLIPPED_LOW] + row[LAP_DIAG_CLIPPED_HIGH] + row[LAP_DIAG_CLIPPED_DUAL];
  }
};

}  // namespace lapidary::cuda

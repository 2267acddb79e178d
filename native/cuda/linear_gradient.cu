// The elementwise passes of the backward. Floors at T = 8192, V = 152064, bf16 on an H100: from logits, 4.98
// GB of f32 out of the second-level cache (0.9 ms at 5.5 TB/s) and 2.49 GB written, 0.83 ms at 3.0 TB/s, one
// ex2 per logit 0.35 ms. Kept entries are read only in rows that have more than one reference; were it all
// rows, as for f16, 4.98 GB read and written, 1.66 ms. Beside them stand two or three products of 11.3 ms
// each. A block has a row, a warp a piece of it.
#include "cuda/linear_gradient.h"

#include "cuda/head_statistics.cuh"
#include "cuda/logit_gradient.cuh"
#include "cuda/row_launch.cuh"
#include "cuda/warp_piece.cuh"

namespace lapidary::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32, kPrepareThreads = 512;

struct Scales {
  float slope, hidden, token;
};
// `largest`: the largest magnitude in the row's (onehot - p) dz/dlogit, its target's.
template <lap_dtype kType, bool kKept>
__device__ __forceinline__ Scales scales_of(float dlogp, double largest) {
  if (kType != LAP_F16) return kKept ? Scales{1.f, dlogp, dlogp} : Scales{dlogp, 1.f, 1.f};
  // A NaN and a gradient of 0 have no exponent.
  const bool plain = largest > 0 && !isinf(largest);
  const int power = plain ? 13 - ilogb(largest) : 0;
  const int clamped = power < -60 ? -60 : power > 60 ? 60 : power;
  const float outside = ldexpf(dlogp, -clamped);
  return {ldexpf(1.f, clamped), outside, outside};
}

template <lap_dtype kType>
__device__ __forceinline__ float common_scale(float largest) {
  if (kType != LAP_F16 || !(largest > 0.f) || isinf(largest)) return 1.f;
  return ldexpf(1.f, ilogbf(largest));
}

template <lap_dtype kType, bool kKept>
__global__ void __launch_bounds__(kPrepareThreads)
    prepare_kernel(const Preparation p, const GradientRows out) {
  __shared__ float scratch[kMaxWarps];
  const int64_t count = *p.selected.count;
  float largest_scale = 0.f;
  for (int64_t r = threadIdx.x; r < count; r += kPrepareThreads) {
    const int64_t t = p.selected.indices[r];
    const int32_t target = p.selected.targets[r];
    const LogitRow row{nullptr, LAP_F32, p.selected.temperatures[r], p.softcap};
    const float logp = target >= 0 && target < p.vocab ? p.logp[t] : nanf("");
    const float logit = kKept ? p.target_logits[r] : nanf("");
    const double z = kKept ? capped(row, logit) / row.temperature : static_cast<double>(logit);
    const double own = -expm1(static_cast<double>(logp)) / row.temperature;
    Scales scales = scales_of<kType, kKept>(p.dlogp[t], own);
    if (kKept && !isnan(p.factors[r]))
      scales.hidden = scales.token = -p.dlogp[t] * p.factors[r] * static_cast<float>(1.0 / row.temperature);
    const LogitGradient constants = logit_gradient(row, p.lse[t], logp, z, scales.slope, 0.f, 0.f);
    const float high = isnan(logp) ? logp : constants.lse_high;
    out.rows[r] = {high, constants.lse_low, scales.slope, logp,
                   kKept ? target_gradient(row, logit, logp, scales.slope, 0.f, 0.f) : 0.f};
    out.hidden_scales[r] = scales.hidden;
    out.token_scales[r] = scales.token;
    largest_scale = fmaxf(largest_scale, fabsf(scales.token));
  }
  largest_scale = block_reduce(largest_scale, scratch, [](float a, float b) { return fmaxf(a, b); });
  if (threadIdx.x != 0) return;
  out.common[0] = common_scale<kType>(largest_scale);
  out.common[1] = 0.f;
  out.common[2] = 1.f;
}

template <lap_dtype kType>
__device__ __forceinline__ void zero_piece(typename Element<kType>::Storage* piece, int64_t room) {
  const float zeros[kLaneColumns] = {};
  store_piece<kType>(piece, room, zeros);
}

// Logits to their entries of U. The target's is in double, so it stands outside of the unrolled loop.
template <class Entry, class Own>
__device__ __forceinline__ void put_gradient(float (&x)[kLaneColumns], int64_t place, const Entry& entry,
                                             const Own& own_of) {
  float logit = 0.f;
  bool has_target = false;
#pragma unroll
  for (int i = 0; i < kLaneColumns; ++i) {
    if (lane_column(i) != place) continue;
    has_target = true;
    logit = x[i];
  }
  const float own = has_target ? own_of(logit) : 0.f;
#pragma unroll
  for (int i = 0; i < kLaneColumns; ++i) x[i] = lane_column(i) == place ? own : entry(x[i]);
}

template <lap_dtype kType, bool kCapped>
__global__ void __launch_bounds__(kThreads)
    logits_kernel(const GradientBlock block, const LogitChunk chunk, void* out, int64_t out_stride) {
  using Storage = typename Element<kType>::Storage;
  const int64_t rows = active_rows(*block.selected.count, block.first, block.rows);
  for (int64_t r = blockIdx.x; r < block.rows; r += gridDim.x) {
    auto* to = static_cast<Storage*>(out) + r * out_stride;
    if (r >= rows) {
      for (int64_t local = threadIdx.x / 32 * kPieceColumns; local < chunk.columns;
           local += kWarps * kPieceColumns)
        zero_piece<kType>(to + local, out_stride - local);
      continue;
    }
    const int64_t at = block.first + r;
    const GradientRow gradient = block.gradient.rows[at];
    const int64_t place = block.selected.targets[at] - chunk.first_column;
    const LogitRow row{nullptr, LAP_F32, block.selected.temperatures[at], block.softcap};
    const auto entry = element_gradient<kCapped, false>(
        row, LogitGradient{gradient.lse_high, gradient.lse_low, gradient.slope, 0.f});
    for (int64_t local = threadIdx.x / 32 * kPieceColumns; local < chunk.columns;
         local += kWarps * kPieceColumns) {
      float x[kLaneColumns];
      load_logits(chunk.data + r * chunk.stride + local, chunk.columns - local, x);
      put_gradient(x, place - local, entry, [&](float logit) {
        return target_gradient(row, logit, gradient.logp, gradient.slope, 0.f, 0.f);
      });
      store_piece<kType>(to + local, out_stride - local, x);
    }
  }
}

// One piece of a row that counts. `unweighted`: whatever it holds, it must add nothing to the products.
template <lap_dtype kType>
__device__ __forceinline__ void kept_piece(typename Element<kType>::Storage* piece, int64_t room,
                                           float* reference, const GradientRow& row, float scale,
                                           float per_slope, int64_t place, bool unweighted) {
  const float max = *reference;
  const bool broken = isnan(row.lse_high), is_gradient = isnan(max);
  if (is_gradient && !broken && !unweighted) return;
  float values[kLaneColumns];
  load_piece<kType>(piece, room, values);
  const float power = ((max - row.lse_high) - row.lse_low) * scale - kKeptExponent<kType>;
  const float factor = is_gradient ? 1.f : -exp2_fast(power) * per_slope;
#pragma unroll
  for (int i = 0; i < kLaneColumns; ++i) {
    const float entry = lane_column(i) == place && !is_gradient ? row.own : values[i] * factor;
    values[i] = broken ? row.lse_high : entry;
    // NaN times a scale of 0 would not be 0.
    if (unweighted && isnan(values[i])) values[i] = 0.f;
  }
  store_piece<kType>(piece, room, values);
  // All lanes have read it.
  __syncwarp();
  if (threadIdx.x % 32 == 0) *reference = nanf("");
}

template <lap_dtype kType>
__global__ void __launch_bounds__(kThreads) kept_kernel(const GradientBlock block, const KeptRows kept) {
  using Storage = typename Element<kType>::Storage;
  const int64_t rows = active_rows(*block.selected.count, block.first, block.rows);
  const int64_t pieces = head_pieces(block.vocab);
  for (int64_t r = blockIdx.x; r < block.rows; r += gridDim.x) {
    auto* entries = static_cast<Storage*>(kept.entries) + r * kept.stride;
    if (r >= rows) {
      for (int64_t p = threadIdx.x / 32; p < pieces; p += kWarps)
        zero_piece<kType>(entries + p * kPieceColumns, kept.stride - p * kPieceColumns);
      continue;
    }
    const int64_t at = block.first + r;
    const GradientRow row = block.gradient.rows[at];
    if (!isnan(row.lse_high) && !isnan(kept.factors[r])) continue;
    const LogitRow of{nullptr, LAP_F32, block.selected.temperatures[at], block.softcap};
    const float scale = transform_of<false>(of).scale,
                per_slope = row.slope * static_cast<float>(1.0 / of.temperature);
    const bool unweighted = block.gradient.hidden_scales[at] == 0.f;
    const int32_t target = block.selected.targets[at];
    for (int64_t p = threadIdx.x / 32; p < pieces; p += kWarps) {
      const int64_t begin = p * kPieceColumns;
      kept_piece<kType>(entries + begin, kept.stride - begin, kept.references + r * pieces + p, row, scale,
                        per_slope, target - begin, unweighted);
    }
  }
}

}  // namespace

cudaError_t prepare_gradient(const Preparation& preparation, const GradientRows& out, cudaStream_t stream) {
  return with_type(preparation.dtype, [&](auto type) {
    return with_flag(preparation.target_logits != nullptr, [&](auto kept) {
      const auto kernel = prepare_kernel<type.type, kept.value>;
      LAP_LAUNCH(kernel, 1, kPrepareThreads, 0, stream, preparation, out);
      return cudaGetLastError();
    });
  });
}

cudaError_t gradient_of_logits(const GradientBlock& block, const LogitChunk& chunk, void* out,
                               int64_t out_stride, cudaStream_t stream) {
  return with_type(block.dtype, [&](auto type) {
    return with_flag(block.softcap != 0, [&](auto is_capped) {
      const auto kernel = logits_kernel<type.type, is_capped.value>;
      LAP_LAUNCH(kernel, row_blocks(block.rows), kThreads, 0, stream, block, chunk, out, out_stride);
      return cudaGetLastError();
    });
  });
}

cudaError_t gradient_of_kept(const GradientBlock& block, const KeptRows& kept, cudaStream_t stream) {
  return with_type(block.dtype, [&](auto type) {
    LAP_LAUNCH(kept_kernel<type.type>, row_blocks(block.rows), kThreads, 0, stream, block, kept);
    return cudaGetLastError();
  });
}

}  // namespace lapidary::cuda

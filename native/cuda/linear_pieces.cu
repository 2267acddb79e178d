// Statistics of logits that a matrix product has left in f32. A chunk is made and read while it is in the
// second-level cache (linear_logprobs.cc), so the floor is its bandwidth, not the memory's: T = 8192, V =
// 152064 are 4.98 GB of f32, 0.9 ms at 5.5 TB/s; one ex2 per logit is 0.35 ms; some 20 shuffles per warp and
// piece are 0.4 ms of issue slots. With `kept` 2.49 GB are written for bf16, 0.74 ms. A warp has a piece of a
// row: it needs no barrier, and its sums are in an order of their own whatever chunk it stands in.
#include "cuda/linear_pieces.h"

#include "cuda/head_statistics.cuh"
#include "cuda/row_launch.cuh"
#include "cuda/warp_piece.cuh"

namespace lapidary::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;

struct Larger {
  __device__ __forceinline__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

// The first column where c is `max`, for all lanes; the piece's columns begin at `begin`.
__device__ __forceinline__ int32_t top_of_piece(const float (&c)[kLaneColumns], float max, int64_t begin) {
  int first = kPieceColumns;
#pragma unroll
  for (int i = kLaneColumns - 1; i >= 0; --i)
    if (c[i] == max) first = lane_column(i);
  first = warp_reduce(first, [](int a, int b) { return a < b ? a : b; });
  return max == -INFINITY ? -1 : static_cast<int32_t>(begin + first);
}

template <bool kCapped, bool kWeighted>
__device__ __forceinline__ HeadPiece statistics_of(const float (&c)[kLaneColumns], int64_t begin,
                                                   const Transform<kCapped>& transform) {
  float max = -INFINITY;
#pragma unroll
  for (int i = 0; i < kLaneColumns; ++i) max = fmaxf(max, c[i]);
  max = warp_reduce(max, Larger());
  // Without anything but -inf there is no reference; a NaN goes through all the same.
  const float reference = max == -INFINITY ? 0.f : max;
  float sum = 0.f, weighted = 0.f;
#pragma unroll
  for (int i = 0; i < kLaneColumns; ++i) {
    const float gap = c[i] - reference, e = exp2_fast(gap * transform.scale);
    sum += e;
    if (kWeighted) weighted = fmaf(e, fmaxf(gap, kLowestPower / transform.scale), weighted);
  }
  sum = warp_reduce(sum, Add());
  if (kWeighted) weighted = warp_reduce(weighted, Add());
  return {max, sum, weighted, top_of_piece(c, max, begin)};
}

template <lap_dtype kType, bool kCapped>
__device__ __forceinline__ void keep(const HeadBlock& block, int64_t row, int64_t begin, float max,
                                     const float (&c)[kLaneColumns], const Transform<kCapped>& transform) {
  auto* out = static_cast<typename Element<kType>::Storage*>(block.kept) + row * block.kept_stride + begin;
  const float reference = kept_reference<kType>(block, row, max, transform.scale);
  float values[kLaneColumns];
#pragma unroll
  for (int i = 0; i < kLaneColumns; ++i) values[i] = kept_value<kType>(c[i], reference, transform);
  store_piece<kType>(out, block.kept_stride - begin, values);
  if (threadIdx.x % 32 == 0)
    block.references[row * head_pieces(block.vocab) + begin / kPieceColumns] = reference;
}

template <lap_dtype kType, bool kCapped, bool kWeighted>
__global__ void __launch_bounds__(kThreads) pieces_kernel(const HeadBlock block, const LogitChunk chunk) {
  // A chunk is a few million entries at most: 32 bits count its pieces.
  const auto here = static_cast<unsigned>(head_pieces(chunk.columns)), across = (here + kWarps - 1) / kWarps;
  const auto rows = static_cast<unsigned>(active_rows(*block.active, block.first, block.rows));
  for (unsigned item = blockIdx.x; item < rows * across; item += gridDim.x) {
    const unsigned row = item / across, piece_here = item % across * kWarps + threadIdx.x / 32;
    if (piece_here >= here) continue;
    const int64_t local = static_cast<int64_t>(piece_here) * kPieceColumns,
                  begin = chunk.first_column + local;
    const LogitRow of{nullptr, LAP_F32, block.temperatures[row], block.softcap};
    const Transform<kCapped> transform = transform_of<kCapped>(of);
    const int64_t place = block.targets[row] - begin;
    float c[kLaneColumns];
    load_logits(chunk.data + row * chunk.stride + local, block.vocab - begin, c);
#pragma unroll
    for (int i = 0; i < kLaneColumns; ++i) {
      const bool is_target = lane_column(i) == place;
      if (is_target && block.targets[row] >= 0) block.target_logits[row] = c[i];
      c[i] = is_target ? -INFINITY : transform.cap(c[i]);
    }
    const HeadPiece piece = statistics_of<kCapped, kWeighted>(c, begin, transform);
    if (threadIdx.x % 32 == 0) block.pieces[row * head_pieces(block.vocab) + begin / kPieceColumns] = piece;
    if (block.kept != nullptr) keep<kType>(block, row, begin, piece.max, c, transform);
  }
}

template <bool kCapped>
__device__ __forceinline__ int32_t top_of_row(const LogitRow& row, const LogitStats& others,
                                              float target_logit, int32_t target) {
  const double own = static_cast<double>(transform_of<kCapped>(row).cap(target_logit)) / row.temperature;
  const bool leads =
      others.top_block < 0 || own > others.max || (own == others.max && target < others.top_block);
  return leads ? target : static_cast<int32_t>(others.top_block);
}

// Whether all pieces of the row are relative to the row's reference; asked by a warp.
__device__ __forceinline__ bool has_one_reference(const HeadBlock& block, int64_t row, int64_t pieces) {
  if (block.row_references == nullptr) return false;
  const float reference = block.row_references[row];
  bool alike = true;
  for (int64_t p = threadIdx.x % 32; p < pieces; p += 32)
    alike = alike && block.references[row * pieces + p] == reference;
  return __any_sync(kAllLanes, !alike) == 0;
}

// The target's entry, such that the row's factor makes its gradient of it; and the factor, NaN where there is
// none.
__device__ __forceinline__ void keep_target(const HeadBlock& block, int64_t r, const LogitRow& row,
                                            bool alike, const RowResult& result) {
  float factor = nanf("");
  if (alike && !isnan(result.logp)) {
    factor = static_cast<float>(
        exp(block.row_references[r] / static_cast<double>(row.temperature) - result.fine_lse));
    const double slope = cap_slope(row, capped(row, block.target_logits[r]));
    const float entry = static_cast<float>(expm1(static_cast<double>(result.logp)) * slope / factor);
    const int64_t at = r * block.kept_stride + block.targets[r];
    if (block.dtype == LAP_F32)
      static_cast<float*>(block.kept)[at] = entry;
    else
      static_cast<uint16_t*>(block.kept)[at] = Element<LAP_BF16>::store(entry);
  }
  block.factors[r] = factor;
}

template <bool kCapped>
__global__ void __launch_bounds__(kThreads)
    finish_kernel(const HeadBlock block, const int64_t* indices, const RowOutputs out) {
  const int64_t pieces = head_pieces(block.vocab), rows = active_rows(*block.active, block.first, block.rows);
  const int64_t step = static_cast<int64_t>(gridDim.x) * kWarps;
  for (int64_t r = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32; r < rows; r += step) {
    const LogitRow row{nullptr, LAP_F32, block.temperatures[r], block.softcap};
    const LogitStats others = merge_pieces(block.pieces + r * pieces, pieces, row.temperature);
    const bool alike = block.kept != nullptr && has_one_reference(block, r, pieces);
    if (threadIdx.x % 32 != 0) continue;
    const int32_t target = block.targets[r];
    RowResult result{nanf(""), nanf(""), nanf(""), 0};
    int32_t top = -1;
    if (target >= 0 && target < block.vocab) {
      const float logit = block.target_logits[r];
      result = finish_row(others, capped(row, logit) / row.temperature);
      if (!isnan(result.logp)) top = top_of_row<kCapped>(row, others, logit, target);
    }
    if (block.kept != nullptr) keep_target(block, r, row, alike, result);
    const int64_t t = indices[r];
    out.logp[t] = result.logp;
    out.lse[t] = result.lse;
    if (out.entropy != nullptr) out.entropy[t] = result.entropy;
    if (out.top1 != nullptr) out.top1[t] = top;
  }
}

__global__ void __launch_bounds__(kThreads) ignored_kernel(const RowChoice choice, const RowOutputs out) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t t = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; t < choice.rows; t += step) {
    if (choice.targets[t] != choice.ignore_index) continue;
    out.logp[t] = 0.f;
    out.lse[t] = 0.f;
    if (out.entropy != nullptr) out.entropy[t] = 0.f;
    if (out.top1 != nullptr) out.top1[t] = -1;
  }
}

// The target's logit, summed in an order of its own: near is enough.
template <lap_dtype kType, bool kCapped>
__global__ void __launch_bounds__(kThreads) references_kernel(const HeadBlock block, float* out) {
  using E = Element<kType>;
  const int64_t rows = active_rows(*block.active, block.first, block.rows);
  const int64_t step = static_cast<int64_t>(gridDim.x) * kWarps;
  for (int64_t r = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.x / 32; r < rows; r += step) {
    const int32_t target = block.targets[r];
    const bool inside = target >= 0 && target < block.vocab;
    const auto* hidden = static_cast<const typename E::Storage*>(block.hidden) + r * block.hidden_stride;
    const auto* weight =
        static_cast<const typename E::Storage*>(block.weight) + (inside ? target : 0) * block.weight_stride;
    float sum = 0.f;
    for (int64_t h = threadIdx.x % 32; h < block.width; h += 32)
      sum += E::load(hidden[h]) * E::load(weight[h]);
    sum = warp_reduce(sum, Add());
    const LogitRow row{nullptr, LAP_F32, block.temperatures[r], block.softcap};
    if (threadIdx.x % 32 == 0) out[r] = inside ? transform_of<kCapped>(row).cap(sum) : nanf("");
  }
}

}  // namespace

cudaError_t piece_statistics(const HeadBlock& block, const LogitChunk& chunk, cudaStream_t stream) {
  return with_type(block.dtype, [&](auto type) {
    return with_flag(block.softcap != 0, [&](auto is_capped) {
      return with_flag(block.weighted, [&](auto weighted) {
        const auto kernel = pieces_kernel<type.type, is_capped.value, weighted.value>;
        const int64_t across = (head_pieces(chunk.columns) + kWarps - 1) / kWarps;
        LAP_LAUNCH(kernel, row_blocks(block.rows * across), kThreads, 0, stream, block, chunk);
        return cudaGetLastError();
      });
    });
  });
}

cudaError_t finish_rows(const HeadBlock& block, const RowBlock& rows, const RowOutputs& out,
                        cudaStream_t stream) {
  return with_flag(block.softcap != 0, [&](auto is_capped) {
    LAP_LAUNCH(finish_kernel<is_capped.value>, row_blocks((block.rows + kWarps - 1) / kWarps), kThreads, 0,
               stream, block, rows.selected.indices + rows.first, out);
    return cudaGetLastError();
  });
}

cudaError_t finish_ignored(const RowChoice& choice, const RowOutputs& out, cudaStream_t stream) {
  LAP_LAUNCH(ignored_kernel, row_blocks((choice.rows + kThreads - 1) / kThreads), kThreads, 0, stream, choice,
             out);
  return cudaGetLastError();
}

cudaError_t row_references(const HeadBlock& block, float* out, cudaStream_t stream) {
  return with_type(block.dtype, [&](auto type) {
    return with_flag(block.softcap != 0, [&](auto is_capped) {
      const auto kernel = references_kernel<type.type, is_capped.value>;
      LAP_LAUNCH(kernel, row_blocks((block.rows + kWarps - 1) / kWarps), kThreads, 0, stream, block, out);
      return cudaGetLastError();
    });
  });
}

}  // namespace lapidary::cuda

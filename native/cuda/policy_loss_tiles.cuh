// From a slot to its tile, sums over a tile, and the tiles of a sequence added up by the last that is done.
#pragma once

#include "cuda/block_reduce.cuh"
#include "cuda/policy_loss_work.h"

namespace lapidary::cuda {

struct Tile {
  int64_t sequence, index, tiles;  // the index-th of `tiles`; an empty sequence has one empty tile
  int64_t begin;                   // its first token
  int count;
};

__device__ __forceinline__ int lane_of_thread() { return static_cast<int>(threadIdx.x % 32); }
__device__ __forceinline__ int warp_of_thread() { return static_cast<int>(threadIdx.x / 32); }
__device__ __forceinline__ int64_t thread_of_grid() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ int64_t threads_of_grid() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

__device__ __forceinline__ int64_t offset_of(const lap_policy_loss_args& args, const LossWork& work,
                                             int64_t i) {
  return work.offsets == nullptr ? i * args.row_stride : work.offsets[i];
}
__device__ __forceinline__ int64_t first_slot(int64_t offset, int64_t i) { return offset / kTileTokens + i; }

// The sequence whose slots hold `slot`, by a search of 32 at a time: a step costs one round trip to memory,
// and there are log_33 B of them. All lanes take part.
__device__ __forceinline__ int64_t sequence_of(const lap_policy_loss_args& args, const LossWork& work,
                                               int64_t slot) {
  int64_t low = 0, high = args.sequences;  // the sequence is in [low, high)
  while (high - low > 1) {
    const int64_t step = (high - low + 32) / 33, probe = low + step * (lane_of_thread() + 1);
    const bool reached = probe < high && first_slot(offset_of(args, work, probe), probe) <= slot;
    low += step * __popc(__ballot_sync(kAllLanes, reached));
    if (low + step < high) high = low + step;
  }
  return low;
}

// False for a slot that is left over.
__device__ __forceinline__ bool find_tile(const lap_policy_loss_args& args, const LossWork& work,
                                          int64_t slot, Tile* tile) {
  const int64_t i = sequence_of(args, work, slot);
  const int64_t offset = offset_of(args, work, i), length = offset_of(args, work, i + 1) - offset;
  const int64_t tiles = (length + kTileTokens - 1) / kTileTokens, k = slot - first_slot(offset, i);
  const int64_t rest = length - k * kTileTokens;
  tile->sequence = i;
  tile->index = k;
  tile->tiles = tiles > 1 ? tiles : 1;
  tile->begin = (args.cu_seqlens == nullptr ? i * args.row_stride : offset) + k * kTileTokens;
  tile->count = static_cast<int>(rest < kTileTokens ? rest : kTileTokens);
  return k < tile->tiles;
}

__device__ __forceinline__ double warp_sum(double value) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(kAllLanes, value, step);
  return value;
}

// value(t) over the kept tokens of a tile. Values of others are computed and not taken, so that loads need
// not wait for the mask; what lies past the tile is not read.
template <class Value>
__device__ __forceinline__ double tile_sum(const lap_policy_loss_args& args, const Tile& tile, Value value) {
  constexpr int kAhead = 4;
  double sum = 0;
  for (int first = lane_of_thread(); first < tile.count; first += 32 * kAhead) {
    double values[kAhead];
    bool kept[kAhead];
#pragma unroll
    for (int u = 0; u < kAhead; ++u) {
      const bool inside = first + 32 * u < tile.count;
      const int64_t t = tile.begin + (inside ? first + 32 * u : first);
      values[u] = value(t);
      kept[u] = inside && is_kept(args, t);
    }
#pragma unroll
    for (int u = 0; u < kAhead; ++u) sum += kept[u] ? values[u] : 0;
  }
  return warp_sum(sum);
}

// One column of a sequence's tiles, from memory that other multiprocessors have written: past the first-level
// cache, which may hold what was there before.
__device__ __forceinline__ double column_sum(const double* column, int64_t count) {
  double sum = 0;
#pragma unroll 8
  for (int64_t k = lane_of_thread(); k < count; k += 32) sum += __ldcg(column + k);
  return warp_sum(sum);
}

// Gives the sums of a tile's sequence to `finish`, on all lanes of the warp that does the sequence's last
// tile. Which warp that is depends on the run, what it adds up and in which order does not. `uses` says which
// columns there are.
template <int kCount, class Finish>
__device__ __forceinline__ void finish_tile(const LossWork& work, const Tile& tile, int64_t slot,
                                            double (&sums)[kCount], const bool (&uses)[kCount],
                                            Finish finish) {
  if (tile.tiles > 1) {
    bool is_last = false;
    if (lane_of_thread() == 0) {
#pragma unroll
      for (int c = 0; c < kCount; ++c)
        if (uses[c]) work.partials[c * work.slots + slot] = sums[c];
      // The sums are seen before the count that tells of them.
      __threadfence();
      const unsigned before = atomicAdd(&work.arrived[tile.sequence], 1u);
      is_last = before + 1 == static_cast<unsigned>(tile.tiles);
      // For the next kernel that counts.
      if (is_last) work.arrived[tile.sequence] = 0;
      __threadfence();
    }
    if (!__any_sync(kAllLanes, is_last)) return;
    // What the first lane has seen, the others see too.
    __syncwarp();
    __threadfence();
    const double* first = work.partials + slot - tile.index;
#pragma unroll
    for (int c = 0; c < kCount; ++c)
      if (uses[c]) sums[c] = column_sum(first + c * work.slots, tile.tiles);
  }
  finish(sums);
}

// Whether any of `bits` stands against the batch. All threads of the block take part.
__device__ __forceinline__ bool is_refused(const LossWork& work, unsigned bits) {
  unsigned own = 0;
  for (unsigned k = threadIdx.x; k < work.verdict_count; k += kLossThreads) own |= work.verdicts[k];
  return __syncthreads_or((own & bits) != 0) != 0;
}

}  // namespace lapidary::cuda

// hidden [T,H] x weight [V,H] -> one HeadPiece per row and 256 columns. T = 8192, V = 152064, H = 3584 on an
// H100: 2 T H V = 8.93e12 operations, 11.3 ms at 790 TFLOP/s; weight read once per 2048 rows, 4.4 GB, and
// pieces written, 78 MB: 1.5 ms at 3.0 TB/s beside it. The epilogue of a tile is 32768 ex2 over 16 a clock,
// 2048 clocks to the 57344 of its products.
//
// A block is three warpgroups for as long as there are tiles: one thread of the first keeps a ring of four
// stages of operands filled, the two others multiply 64 rows each. The second of them begins two steps of the
// depth behind, so that the one's epilogue comes while the other multiplies; since the one that is alone goes
// twice as fast, the distance renews itself with every tile.
#include "cuda/linear_wgmma.h"

#include <cstdlib>
#include <cstring>

#include "cuda/head_tiles.h"
#include "cuda/row_launch.cuh"
#include "cuda/tma.cuh"
#include "cuda/wgmma.cuh"
#include "cuda/wgmma_epilogue.cuh"

// The kernel's body is for sm_90a alone; for other targets it is empty and never launched.
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define LAP_HAS_WGMMA 1
#endif

namespace lapidary::cuda {
namespace {

constexpr int kBlockThreads = (1 + kConsumers) * kWarpgroup;
// Of 168 at launch, which is what 65536 registers allow 384 threads.
constexpr int kCopierRegisters = 40, kConsumerRegisters = 232;
static_assert(kCopierRegisters + kConsumers * kConsumerRegisters <= (1 + kConsumers) * 168);
constexpr int kLead = 2;  // steps of the depth that the first consumer begins ahead
static_assert(kLead < kStages, "the first consumer must not wait for stages that the second has yet to read");

constexpr uint32_t kBarrierBytes = 8 * (2 * kStages + 1);
// Stages begin at a multiple of an atom; the memory that a block is given need not.
constexpr uint32_t kSharedBytes = kAtomBytes + kStages * kStageBytes + kBarrierBytes;

// The block's shared memory, by address.
struct Ring {
  uint32_t stages;
  __device__ __forceinline__ uint32_t hidden(uint32_t stage) const { return stages + stage * kStageBytes; }
  __device__ __forceinline__ uint32_t weight(uint32_t stage) const { return hidden(stage) + kHiddenBytes; }
  // `full`: the operands of a stage have come. `empty`: they have been read.
  __device__ __forceinline__ uint32_t full(uint32_t stage) const {
    return stages + kStages * kStageBytes + stage * 8;
  }
  __device__ __forceinline__ uint32_t empty(uint32_t stage) const { return full(kStages + stage); }
  __device__ __forceinline__ uint32_t lead() const { return full(2 * kStages); }
};

// Of one block of a team of kTeam.
struct Work {
  HeadTiles tiles;
  int64_t first, step, active;
  int rank, depth_steps;
};

template <int kTeam>
__device__ __forceinline__ void set_up(const Ring& ring) {
  if (threadIdx.x == 0) {
    for (uint32_t s = 0; s < kStages; ++s) {
      barrier_init(ring.full(s), 1);
      barrier_init(ring.empty(s), kTeam * kConsumers * kWarpgroup / 32);
    }
    barrier_init(ring.lead(), kWarpgroup / 32);
    barrier_init_fence();
  }
  __syncthreads();
  if (kTeam > 1) cluster_barrier();
}

// One thread. Each block of a team brings its own rows of hidden, and its share of the weight's rows to all.
template <int kTeam>
__device__ __forceinline__ void copy_operands(const Ring& ring, const Work& work, const TensorMap& hidden,
                                              const TensorMap& weight) {
  constexpr int kShare = kHeadTileColumns / kTeam;
  prefetch_map(hidden);
  prefetch_map(weight);
  RingStep at;
  for (int64_t i = work.first; i < work.tiles.count(); i += work.step) {
    const HeadTile tile = work.tiles.at(i, kTeam, work.rank);
    const int32_t row = static_cast<int32_t>(tile.row);
    const int32_t column = static_cast<int32_t>(tile.column) + work.rank * kShare;
    for (int k = 0; k < work.depth_steps; ++k, at.advance()) {
      // Of both blocks' consumers: the other's ring is written to as well.
      barrier_wait(ring.empty(at.stage), at.parity ^ 1);
      const uint32_t full = ring.full(at.stage);
      barrier_arrive_expecting(full, kStageBytes);
      copy_box(ring.hidden(at.stage), hidden, k * kHeadTileDepth, row, full);
      const uint32_t to = ring.weight(at.stage) + work.rank * kShare * kRowBytes;
      if (kTeam == 1)
        copy_box(to, weight, k * kHeadTileDepth, column, full);
      else
        copy_box_to((1 << kTeam) - 1, to, weight, k * kHeadTileDepth, column, full);
    }
  }
}

// Once per warp: that a warp's wait has ended says nothing of the other three.
template <int kTeam>
__device__ __forceinline__ void release(const Ring& ring, uint32_t stage) {
  const uint32_t lane = threadIdx.x % 32;
  if (kTeam == 1) {
    if (lane == 0) barrier_arrive(ring.empty(stage));
  } else if (lane < kTeam) {
    barrier_arrive_at(ring.empty(stage), lane);
  }
}

// All of the depth, for one tile. Products of a step are still running when those of the next are put behind
// them; then the stage before is free.
template <lap_dtype kType, int kTeam>
__device__ __forceinline__ void multiply(float (&sums)[kFragment], const Ring& ring, RingStep* at,
                                         int consumer, int depth_steps, bool leads) {
  uint32_t before = 0;
  for (int k = 0; k < depth_steps; ++k) {
    barrier_wait(ring.full(at->stage), at->parity);
    const uint64_t rows = operand_descriptor(ring.hidden(at->stage) + consumer * kFragmentRows * kRowBytes);
    const uint64_t columns = operand_descriptor(ring.weight(at->stage));
    product_fence();
#pragma unroll
    for (int d = 0; d < kHeadTileDepth / kFragmentDepth; ++d)
      product<kType>(sums, rows + d * kDepthStep, columns + d * kDepthStep, k > 0 || d > 0);
    product_commit();
    product_wait<1>();
    if (k > 0) release<kTeam>(ring, before);
    if (leads && k == (kLead < depth_steps ? kLead : depth_steps) - 1 && threadIdx.x % 32 == 0)
      barrier_arrive(ring.lead());
    before = at->stage;
    at->advance();
  }
  product_wait<0>();
  release<kTeam>(ring, before);
}

template <lap_dtype kType, int kTeam, bool kCapped, bool kWeighted>
__device__ __forceinline__ void consume(const Ring& ring, const Work& work, const HeadBlock& block,
                                        int consumer) {
  float sums[kFragment];
  RingStep at;
  bool is_first = true;
  for (int64_t i = work.first; i < work.tiles.count(); i += work.step) {
    const HeadTile tile = work.tiles.at(i, kTeam, work.rank);
    const int64_t row = tile.row + consumer * kFragmentRows + fragment_row(threadIdx.x % kWarpgroup, 0);
    const auto upper = HeadRow<kCapped>::load(block, row, work.active);
    const auto lower = HeadRow<kCapped>::load(block, row + 8, work.active);
    if (is_first && consumer > 0) barrier_wait(ring.lead(), 0);
    multiply<kType, kTeam>(sums, ring, &at, consumer, work.depth_steps, is_first && consumer == 0);
    is_first = false;
    finish_row_of_piece<kType, 0, kCapped, kWeighted>(sums, upper, tile.column, block);
    finish_row_of_piece<kType, 1, kCapped, kWeighted>(sums, lower, tile.column, block);
  }
}

template <lap_dtype kType, int kTeam, bool kCapped, bool kWeighted>
__global__ void __cluster_dims__(kTeam, 1, 1) __launch_bounds__(kBlockThreads, 1)
    wgmma_head_kernel(const __grid_constant__ TensorMap hidden, const __grid_constant__ TensorMap weight,
                      const __grid_constant__ HeadBlock block) {
#if defined(LAP_HAS_WGMMA)
  LAP_DYNAMIC_SHARED(memory);
  const Ring ring{(shared_address(memory) + kAtomBytes - 1) / kAtomBytes * kAtomBytes};
  const int64_t active = active_rows(*block.active, block.first, block.rows);
  const int rank = kTeam == 1 ? 0 : static_cast<int>(cluster_rank());
  const Work work{HeadTiles::of(active, block.vocab, kTeam),
                  blockIdx.x / kTeam,
                  gridDim.x / kTeam,
                  active,
                  rank,
                  static_cast<int>((block.width + kHeadTileDepth - 1) / kHeadTileDepth)};
  set_up<kTeam>(ring);
  const int warpgroup = threadIdx.x / kWarpgroup;
  if (warpgroup == 0) {
    give_registers<kCopierRegisters>();
    if (threadIdx.x == 0) copy_operands<kTeam>(ring, work, hidden, weight);
  } else {
    take_registers<kConsumerRegisters>();
    consume<kType, kTeam, kCapped, kWeighted>(ring, work, block, warpgroup - 1);
  }
  // Nobody leaves while another block may still write to its memory.
  if (kTeam > 1) cluster_barrier();
#endif
}

template <lap_dtype kType, int kTeam>
cudaError_t launch(const HeadBlock& block, const TensorMap& hidden, const TensorMap& weight, unsigned blocks,
                   cudaStream_t stream) {
  return with_flag(block.softcap != 0, [&](auto capped) {
    return with_flag(block.weighted, [&](auto weighted) {
      const auto kernel = wgmma_head_kernel<kType, kTeam, capped.value, weighted.value>;
      const cudaError_t error =
          cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedBytes);
      if (error != cudaSuccess) return error;
      LAP_LAUNCH_CLUSTER(kernel, kTeam, blocks, kBlockThreads, kSharedBytes, stream, hidden, weight, block);
      return cudaGetLastError();
    });
  });
}

cudaError_t attribute(cudaDeviceAttr which, int device, int* value) {
  return cudaDeviceGetAttribute(value, which, device);
}

// One block on every multiprocessor, in whole teams, or fewer where there are fewer tiles.
cudaError_t count_blocks(const HeadBlock& block, int team, unsigned* blocks) {
  int device = 0, processors = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) error = attribute(cudaDevAttrMultiProcessorCount, device, &processors);
  const int64_t teams = processors / team, tiles = HeadTiles::of(block.rows, block.vocab, team).count();
  *blocks = static_cast<unsigned>((tiles < teams ? tiles : teams) * team);
  return error;
}

}  // namespace

HeadKernel chosen_head_kernel(int device) {
  const char* asked = std::getenv("LAPIDARY_CUDA_HEAD");
  if (asked == nullptr) return HeadKernel::kNone;
  const bool alone = std::strcmp(asked, "wgmma") == 0, in_teams = std::strcmp(asked, "wgmma2") == 0;
  int major = 0, minor = 0;
  const bool known = attribute(cudaDevAttrComputeCapabilityMajor, device, &major) == cudaSuccess &&
                     attribute(cudaDevAttrComputeCapabilityMinor, device, &minor) == cudaSuccess;
#if defined(__CUDACC__)
  if (!known || major != 9 || minor != 0) return HeadKernel::kNone;
#endif
  return alone ? HeadKernel::kWgmma : in_teams && known ? HeadKernel::kWgmmaTeams : HeadKernel::kNone;
}

bool wgmma_head_fits(const HeadBlock& block) {
  constexpr int64_t kMost = INT32_MAX - kGroupRows;  // coordinates are 32 bits
  const bool keeps = block.softcap != 0 ? kKeeps<true> : kKeeps<false>;
  return block.dtype != LAP_F32 && block.width > 0 && (block.kept == nullptr || keeps) &&
         block.vocab <= kMost && tensor_map_fits(block.hidden, block.hidden_stride) &&
         tensor_map_fits(block.weight, block.weight_stride);
}

cudaError_t wgmma_head(const HeadBlock& block, cudaStream_t stream) {
  const int team = block.kernel == HeadKernel::kWgmmaTeams ? 2 : 1;
  TensorMap hidden, weight;
  cudaError_t error = encode_tensor_map(block.hidden, block.dtype, block.rows, block.width,
                                        block.hidden_stride, kHeadTileRows, &hidden);
  if (error == cudaSuccess)
    error = encode_tensor_map(block.weight, block.dtype, block.vocab, block.width, block.weight_stride,
                              kHeadTileColumns / team, &weight);
  unsigned blocks = 0;
  if (error == cudaSuccess) error = count_blocks(block, team, &blocks);
  if (error != cudaSuccess) return error;
  return with_flag(block.dtype == LAP_BF16, [&](auto is_bf16) {
    constexpr lap_dtype kType = is_bf16.value ? LAP_BF16 : LAP_F16;
    return team == 2 ? launch<kType, 2>(block, hidden, weight, blocks, stream)
                     : launch<kType, 1>(block, hidden, weight, blocks, stream);
  });
}

}  // namespace lapidary::cuda

// A matrix product without tensor cores, for where cuBLASLt is missing. Floor on an H100 without them: 2 m n
// k operations over 67 TFLOP/s of f32, 15 times that of bf16 by tensor cores: correct everywhere, fast
// nowhere. A block of 256 threads has a tile of 128 x 128 of C, a thread 8 x 8 of it in registers: per step
// of k 16 values read from shared memory for 64 multiply-adds.
#include "cuda/element.cuh"
#include "cuda/gemm.h"
#include "cuda/head_block.h"
#include "cuda/row_launch.cuh"

namespace lapidary::cuda {
namespace {

constexpr int kTile = 128, kDepth = 8, kThreads = 256;
constexpr int kLoads = kTile * kDepth / kThreads;
// Rows a multiple of 16 bytes apart, and off the same bank.
constexpr int kRow = kTile + 4;

// The thread's share of a slice [kTile, kDepth] of an operand: elements `step` apart, of the same row or of
// the same k. Past the end of the operand are zeros.
template <lap_dtype kType, bool kDepthFast>
class Slice {
 public:
  using E = Element<kType>;
  using Storage = typename E::Storage;

  __device__ __forceinline__ Slice(const Product::Operand& from, int64_t row, int64_t rows)
      : step_((kDepthFast ? kThreads / kDepth : kThreads / kTile) * from.stride),
        advance_(kDepthFast ? kDepth : kDepth * from.stride),
        rows_(static_cast<int>(rows - row < kTile ? rows - row : kTile)) {
    const auto* data = static_cast<const Storage*>(from.data);
    at_ = data + (kDepthFast ? (row + row_of(0)) * from.stride + depth_of(0)
                             : depth_of(0) * from.stride + row + row_of(0));
  }

  // `left` of k are there still.
  __device__ __forceinline__ void load(int left) {
#pragma unroll
    for (int u = 0; u < kLoads; ++u) {
      const bool inside = row_of(u) < rows_ && depth_of(u) < left;
      values_[u] = inside ? E::load(at_[u * step_]) : 0.f;
    }
    at_ += advance_;
  }
  __device__ __forceinline__ void store(float (*shared)[kRow]) const {
#pragma unroll
    for (int u = 0; u < kLoads; ++u) shared[depth_of(u)][row_of(u)] = values_[u];
  }

 private:
  static __device__ __forceinline__ int row_of(int u) {
    return kDepthFast ? threadIdx.x / kDepth + u * (kThreads / kDepth) : threadIdx.x % kTile;
  }
  static __device__ __forceinline__ int depth_of(int u) {
    return kDepthFast ? threadIdx.x % kDepth : threadIdx.x / kTile + u * (kThreads / kTile);
  }

  const Storage* at_;
  int64_t step_, advance_;
  int rows_;
  float values_[kLoads];
};

// A thread's eight rows (or columns) of the tile are four and four, half a tile apart: no two lanes share a
// bank.
__device__ __forceinline__ void read_eight(const float* row, int at, float (&out)[8]) {
  const float4 low = *reinterpret_cast<const float4*>(row + 4 * at);
  const float4 high = *reinterpret_cast<const float4*>(row + kTile / 2 + 4 * at);
  out[0] = low.x, out[1] = low.y, out[2] = low.z, out[3] = low.w;
  out[4] = high.x, out[5] = high.y, out[6] = high.z, out[7] = high.w;
}
__device__ __forceinline__ int place_of(int i, int at) { return (i < 4 ? 0 : kTile / 2 - 4) + 4 * at + i; }

__device__ __forceinline__ void multiply(const float (*a)[kRow], const float (*b)[kRow], int y, int x,
                                         float (&sums)[8][8]) {
#pragma unroll
  for (int d = 0; d < kDepth; ++d) {
    float left[8], right[8];
    read_eight(a[d], y, left);
    read_eight(b[d], x, right);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
#pragma unroll
      for (int j = 0; j < 8; ++j) sums[i][j] += left[i] * right[j];
    }
  }
}

__device__ __forceinline__ void write_tile(const Product& p, int64_t row, int64_t column, int y, int x,
                                           const float (&sums)[8][8]) {
  const float alpha = p.alpha == nullptr ? 1.f : *p.alpha;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int64_t r = row + place_of(i, y);
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const int64_t c = column + place_of(j, x);
      if (r >= p.m || c >= p.n) continue;
      float* out = p.c + r * p.c_stride + c;
      *out = p.accumulate ? *out + alpha * sums[i][j] : alpha * sums[i][j];
    }
  }
}

template <lap_dtype kType, bool kATransposed, bool kBTransposed>
__global__ void __launch_bounds__(kThreads, 1) product_kernel(const Product p) {
  alignas(16) __shared__ float a[kDepth][kRow];
  alignas(16) __shared__ float b[kDepth][kRow];
  const int64_t rows = p.limit == Product::Limit::kRows ? active_rows(*p.active, p.first, p.m) : p.m;
  const int64_t depth = p.limit == Product::Limit::kDepth ? active_rows(*p.active, p.first, p.k) : p.k;
  const int64_t across = (p.n + kTile - 1) / kTile, tiles = (rows + kTile - 1) / kTile * across;
  const int y = threadIdx.x / 16, x = threadIdx.x % 16;
  for (int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const int64_t row = tile / across * kTile, column = tile % across * kTile;
    float sums[8][8] = {};
    Slice<kType, !kATransposed> slice_a(p.a, row, p.m);
    Slice<kType, kBTransposed> slice_b(p.b, column, p.n);
    slice_a.load(static_cast<int>(depth));
    slice_b.load(static_cast<int>(depth));
    for (int left = static_cast<int>(depth); left > 0; left -= kDepth) {
      slice_a.store(a);
      slice_b.store(b);
      __syncthreads();
      // The next slices are under way while these are multiplied.
      slice_a.load(left - kDepth);
      slice_b.load(left - kDepth);
      multiply(a, b, y, x, sums);
      __syncthreads();
    }
    write_tile(p, row, column, y, x, sums);
  }
}

}  // namespace

cudaError_t tiled_product(const Product& p, cudaStream_t stream) {
  if (p.m == 0 || p.n == 0) return cudaSuccess;
  const int64_t tiles = (p.m + kTile - 1) / kTile * ((p.n + kTile - 1) / kTile);
  return with_type(p.dtype, [&](auto type) {
    return with_flag(p.a.transposed, [&](auto a) {
      return with_flag(p.b.transposed, [&](auto b) {
        const auto kernel = product_kernel<type.type, a.value, b.value>;
        LAP_LAUNCH(kernel, row_blocks(tiles), kThreads, 0, stream, p);
        return cudaGetLastError();
      });
    });
  });
}

}  // namespace lapidary::cuda

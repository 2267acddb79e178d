#include "cuda/tensor_map.h"

#include "cuda/wgmma_layout.h"

#if defined(__CUDACC__)
#include <cuda.h>  // types alone: nothing of libcuda is linked
#endif

namespace lapidary::cuda {

bool tensor_map_fits(const void* data, int64_t row_stride) {
  return reinterpret_cast<uintptr_t>(data) % 16 == 0 && row_stride % 8 == 0 && row_stride < int64_t{1} << 39;
}

#if defined(__CUDACC__)
namespace {

static_assert(sizeof(TensorMap) == sizeof(CUtensorMap));
using Encode = decltype(&cuTensorMapEncodeTiled);

cudaError_t find_encoder(Encode* encode) {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
  const cudaError_t error =
      cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &result);
#else
  const cudaError_t error =
      cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &found, cudaEnableDefault, &result);
#endif
  if (error != cudaSuccess) return error;
  if (result != cudaDriverEntryPointSuccess || found == nullptr) return cudaErrorNotSupported;
  *encode = reinterpret_cast<Encode>(found);
  return cudaSuccess;
}

}  // namespace

cudaError_t encode_tensor_map(const void* data, lap_dtype dtype, int64_t rows, int64_t width,
                              int64_t row_stride, int box_rows, TensorMap* out) {
  Encode encode = nullptr;
  const cudaError_t found = find_encoder(&encode);
  if (found != cudaSuccess) return found;
  // The contiguous dimension first; its stride is not given.
  const cuuint64_t sizes[2] = {static_cast<cuuint64_t>(width), static_cast<cuuint64_t>(rows)};
  const cuuint64_t strides[1] = {static_cast<cuuint64_t>(row_stride) * 2};
  const cuuint32_t box[2] = {kRowBytes / 2, static_cast<cuuint32_t>(box_rows)};
  const cuuint32_t steps[2] = {1, 1};
  CUtensorMap map;
  const CUresult result = encode(
      &map, dtype == LAP_BF16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 2,
      const_cast<void*>(data), sizes, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
      CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) return cudaErrorInvalidValue;
  memcpy(out, &map, sizeof map);
  return cudaSuccess;
}

#else

cudaError_t encode_tensor_map(const void* data, lap_dtype, int64_t rows, int64_t width, int64_t row_stride,
                              int box_rows, TensorMap* out) {
  return simt::describe_matrix(data, rows, width, row_stride * 2, box_rows, out->words);
}

#endif

}  // namespace lapidary::cuda

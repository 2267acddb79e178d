// What Lapidary uses of cuBLASLt's C interface, versions 12 and 13, declared here: the library is looked up
// at run time and its headers are not needed. Names and values are the library's.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace lapidary::cublas_lt {

using Handle = struct Context*;
using MatmulDesc = struct MatmulDescOpaque*;
using MatrixLayout = struct MatrixLayoutOpaque*;
using Preference = struct PreferenceOpaque*;

using Status = int;  // cublasStatus_t
constexpr Status kSuccess = 0, kNotSupported = 15;

using DataType = int;  // cudaDataType_t
constexpr DataType kR32F = 0, kR16F = 2, kR16BF = 14;

using ComputeType = int;  // cublasComputeType_t
// f32 throughout: operands of f32 are not rounded to TF32.
constexpr ComputeType kCompute32F = 68;

constexpr int32_t kOpN = 0, kOpT = 1;                            // cublasOperation_t
constexpr int32_t kPointerModeHost = 0, kPointerModeDevice = 1;  // cublasLtPointerMode_t
constexpr uint32_t kReductionSchemeNone = 0;                     // cublasLtReductionScheme_t

// cublasLtMatmulDescAttributes_t, each an int32_t
constexpr int kDescPointerMode = 2, kDescTransA = 3, kDescTransB = 4;

// cublasLtMatmulPreferenceAttributes_t
constexpr int kPreferMaxWorkspaceBytes = 1;  // uint64_t
constexpr int kPreferReductionSchemes = 3;   // uint32_t, a mask
constexpr int kPreferAlignmentA = 5, kPreferAlignmentB = 6, kPreferAlignmentC = 7,
              kPreferAlignmentD = 8;  // uint32_t

struct Algorithm {
  uint64_t data[8];
};
struct HeuristicResult {
  Algorithm algorithm;
  size_t workspace_bytes;
  Status state;
  float waves;
  int reserved[4];
};

// Matrices are column-major; a layout's leading dimension is the distance between columns, in elements.
struct Functions {
  size_t (*get_version)();
  Status (*create)(Handle*);
  Status (*destroy)(Handle);
  Status (*desc_create)(MatmulDesc*, ComputeType, DataType scale);
  Status (*desc_destroy)(MatmulDesc);
  Status (*desc_set)(MatmulDesc, int attribute, const void*, size_t);
  Status (*layout_create)(MatrixLayout*, DataType, uint64_t rows, uint64_t columns, int64_t leading);
  Status (*layout_destroy)(MatrixLayout);
  Status (*preference_create)(Preference*);
  Status (*preference_destroy)(Preference);
  Status (*preference_set)(Preference, int attribute, const void*, size_t);
  Status (*get_heuristic)(Handle, MatmulDesc, MatrixLayout a, MatrixLayout b, MatrixLayout c, MatrixLayout d,
                          Preference, int wanted, HeuristicResult[], int* found);
  Status (*check)(Handle, MatmulDesc, MatrixLayout a, MatrixLayout b, MatrixLayout c, MatrixLayout d,
                  const Algorithm*, HeuristicResult*);
  // D = alpha op(A) op(B) + beta C
  Status (*matmul)(Handle, MatmulDesc, const void* alpha, const void* a, MatrixLayout, const void* b,
                   MatrixLayout, const void* beta, const void* c, MatrixLayout, void* d, MatrixLayout,
                   const Algorithm*, void* workspace, size_t workspace_bytes, cudaStream_t);
};

}  // namespace lapidary::cublas_lt

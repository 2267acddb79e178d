// Matrix products on a CUDA device, row-major: C[m,n] = alpha op(A)[m,k] op(B)[k,n], or that added to C. A
// and B are of one element type, products are summed in f32 and C is f32. By cuBLASLt where it is found at
// run time, by kernels of our own where it is not, or declines.
//
// Results are bitwise repeatable: one algorithm per plan, no parts of k summed apart. With our own kernels an
// element of C has the same bits whatever m and n are and wherever it lies; with cuBLASLt it has as far as
// an algorithm of it, chosen once for the planned shape, sums every element in the same order.
#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <string>

#include "core/status.h"
#include "lapidary.h"

namespace lapidary::cuda {

struct Product {
  struct Operand {
    const void* data;
    int64_t stride;   // between stored rows, in elements
    bool transposed;  // stored as the transpose of what the product takes
  };
  // What a count on the device says of this product: nothing, or that rows of C past it need not be computed,
  // or that op(A) and op(B) hold only zeros past it along k. A hint: cuBLASLt computes all.
  enum class Limit { kNone, kRows, kDepth };

  lap_dtype dtype;
  Operand a, b;
  float* c;
  int64_t c_stride;
  int64_t m, n, k;
  bool accumulate = false;
  const float* alpha = nullptr;  // NULL: 1; or three floats on the device: alpha, 0 and 1
  Limit limit = Limit::kNone;
  const int64_t* active = nullptr;  // counts from the call's first row, as in HeadBlock
  int64_t first = 0;
  // The shape that an algorithm is chosen for; products that differ in no more than m, n, k and c_stride
  // share it.
  struct Shape {
    int64_t m, n, k, c_stride;
    bool operator==(const Shape&) const = default;
  } planned;
};

class CublasLt;

class Gemm {
 public:
  // Looks for cuBLASLt. LAPIDARY_CUBLASLT names the library to load instead of the usual ones; "none": none.
  Gemm();
  ~Gemm();

  // "cublasLt 13.1.0", or "tiled" and the reason.
  const std::string& description() const { return description_; }
  // Bytes that a product wants, 256-byte aligned.
  size_t workspace() const;
  Status run(const Product& product, void* workspace, cudaStream_t stream);

 private:
  std::unique_ptr<CublasLt> library_;
  std::string description_;
};

// Any shape, stride and alignment; f32 products by fused multiply-adds in the order of k.
cudaError_t tiled_product(const Product& product, cudaStream_t stream);

}  // namespace lapidary::cuda

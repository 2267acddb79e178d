#include "cuda/gemm.h"

#include "cuda/cublas_lt.h"

namespace lapidary::cuda {

Gemm::Gemm() {
  std::string reason;
  library_ = CublasLt::open(&reason);
  description_ = library_ != nullptr ? "cublasLt " + library_->version() : "tiled: " + reason;
}

Gemm::~Gemm() = default;

size_t Gemm::workspace() const { return library_ != nullptr ? CublasLt::kWorkspace : 0; }

Status Gemm::run(const Product& product, void* workspace, cudaStream_t stream) {
  bool done = false;
  // An empty sum is for our own kernel, which writes zeros.
  if (library_ != nullptr && product.m > 0 && product.n > 0 && product.k > 0) {
    Status status = library_->run(product, workspace, stream, &done);
    if (done || !status.ok()) return status;
  }
  const cudaError_t error = tiled_product(product, stream);
  if (error == cudaSuccess) return ok_status();
  cudaGetLastError();
  return {LAP_DEVICE_ERROR, std::string("launching a matrix product: ") + cudaGetErrorName(error)};
}

}  // namespace lapidary::cuda

#include "cuda/linear_wgmma.h"

namespace lapidary::cuda {

Status head_statistics(const HeadBlock& block, cudaStream_t stream, bool* taken) {
  if (block.kernel == HeadKernel::kNone || !wgmma_head_fits(block)) return ok_status();
  *taken = true;
  const cudaError_t error = wgmma_head(block, stream);
  if (error == cudaSuccess) return ok_status();
  cudaGetLastError();
  return {LAP_DEVICE_ERROR, std::string("computing the statistics of a head: ") + cudaGetErrorName(error) +
                                " (" + cudaGetErrorString(error) + ")"};
}

}  // namespace lapidary::cuda

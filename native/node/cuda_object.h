// The CUDA half of the C ABI, loaded at run time: nothing here links it, and nothing but a call that needs a
// device loads it.
#pragma once

#include <string>

#include "lapidary/cuda.h"

namespace lapidary::node {

// `lap_cuda_allocate` of the object is `object.allocate` here.
struct CudaObject {
  std::string path;
#define LAP_CUDA_FUNCTION(name) decltype(&lap_cuda_##name) name = nullptr;
#include "node/cuda_functions.inc"
#undef LAP_CUDA_FUNCTION
};

// Loads the object at `path`, once per process: later calls give what was loaded first, whatever their path.
// It is never unloaded. NULL, with the reason, where that is not possible; the next call tries again.
const CudaObject* load_cuda(const std::string& path, std::string* reason);
// The loaded object, or NULL. Loads nothing.
const CudaObject* loaded_cuda();

}  // namespace lapidary::node

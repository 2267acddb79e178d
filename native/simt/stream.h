// The streams of the shim. By default a stream does its work at the call. With LAPIDARY_SIMT_ASYNC=1 it has a
// thread that does it later, in order, as a device would: who forgets to wait sees old or poisoned memory.
#pragma once

#include <functional>

#include "simt/cuda_runtime.h"

namespace simt {

// Puts work on the stream; NULL does it at once.
void enqueue(cudaStream_t stream, std::function<void()> work);
// All streams have done their work when it returns.
void drain();

}  // namespace simt

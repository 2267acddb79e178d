// The statistics of a language model's head in one matrix product whose logits never leave the registers, by
// the tensor instructions of sm_90a. It has not run on a device yet, and so is taken only where the
// environment asks for it: LAPIDARY_CUDA_HEAD=wgmma, or wgmma2 for clusters of two blocks that share the
// weight's tiles, read when a context is created.
#pragma once

#include "cuda/head_block.h"

namespace lapidary::cuda {

// What the environment asks for, HeadKernel::kNone where `device` cannot run it.
HeadKernel chosen_head_kernel(int device);

// Whether the kernel takes this block: by element type, alignment and strides, never by the number of rows.
bool wgmma_head_fits(const HeadBlock& block);

// Puts the work on `stream`. Pieces and target logits of the rows that count are written, no others.
cudaError_t wgmma_head(const HeadBlock& block, cudaStream_t stream);

}  // namespace lapidary::cuda

// What kernels for sm_90 do beyond plain threads, on the host: barriers in shared memory with transactions,
// bulk tensor copies with the 128-byte swizzle, and matrix products of a warpgroup that read their operands
// through descriptors. Written from the PTX ISA, apart from the kernels' own arithmetic.
//
// Everything asynchronous happens as late as it may: a copy lands when somebody has waited in vain for its
// barrier, the last first, and until then its destination holds NaN; a product reads and writes when it is
// waited for, and until its thread has waited for all, the accumulators hold NaN. So what is read too early
// or overwritten too early shows.
#pragma once

#include "simt/cuda_runtime.h"

namespace simt {

// Shared memory as instructions address it; the block's dynamic memory does not begin at a multiple of 1024.
uint32_t shared_address(const void* pointer);

void barrier_init(uint32_t barrier, uint32_t count);
// After announcing `bytes` that the phase has to wait for.
void barrier_arrive(uint32_t barrier, uint32_t bytes);
// At the barrier that another block of the cluster has there.
void barrier_arrive_at(uint32_t barrier, unsigned rank);
void barrier_wait(uint32_t barrier, uint32_t parity);

// A matrix of 16-bit elements, in `words`; refuses what the driver refuses.
cudaError_t describe_matrix(const void* data, int64_t rows, int64_t width, int64_t row_bytes, int box_rows,
                            uint64_t* words);
// To every block of the cluster whose bit is set in `blocks`.
void copy_box(unsigned blocks, uint32_t to, const uint64_t* words, int32_t column, int32_t row,
              uint32_t barrier);

// 64 x 256 x 16, sums of 128 for the running thread.
void product(float* sums, uint64_t rows, uint64_t columns, bool keep, bool is_bf16);
void product_commit();
void product_wait(int pending);

}  // namespace simt

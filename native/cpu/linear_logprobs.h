#pragma once

#include <cstddef>

#include "core/checked.h"
#include "core/status.h"
#include "core/thread_pool.h"
#include "cpu/implementation.h"

namespace lapidary {

size_t linear_logprobs_workspace(ThreadPool& pool, const Implementation& cpu,
                                 const lap_linear_logprobs_args& args);
// Bytes of the kept logits of `rows` rows; false where they cannot be counted.
bool linear_kept_bytes(const Implementation& cpu, int64_t rows, int64_t vocab, size_t* bytes);
Status linear_logprobs(ThreadPool& pool, const Implementation& cpu, const lap_linear_logprobs_args& args);

size_t linear_logprobs_backward_workspace(ThreadPool& pool, const Implementation& cpu,
                                          const lap_linear_logprobs_backward_args& args);
Status linear_logprobs_backward(ThreadPool& pool, const Implementation& cpu,
                                const lap_linear_logprobs_backward_args& args);

}  // namespace lapidary

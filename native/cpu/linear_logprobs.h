#pragma once

#include <cstddef>

#include "core/status.h"
#include "core/thread_pool.h"
#include "cpu/implementation.h"

namespace lapidary {

size_t linear_logprobs_workspace(const ThreadPool& pool, const Implementation& cpu,
                                 const lap_linear_logprobs_args& args);
Status linear_logprobs(ThreadPool& pool, const Implementation& cpu, const lap_linear_logprobs_args& args);

size_t linear_logprobs_backward_workspace(const ThreadPool& pool, const Implementation& cpu,
                                          const lap_linear_logprobs_backward_args& args);
Status linear_logprobs_backward(ThreadPool& pool, const Implementation& cpu,
                                const lap_linear_logprobs_backward_args& args);

}  // namespace lapidary

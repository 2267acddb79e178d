#pragma once

#include <cstddef>

#include "core/status.h"
#include "core/thread_pool.h"
#include "cpu/implementation.h"

namespace lapidary {

Status token_logprobs(ThreadPool& pool, const Implementation& cpu, const lap_token_logprobs_args& args);
Status token_logprobs_backward(ThreadPool& pool, const Implementation& cpu,
                               const lap_token_logprobs_backward_args& args);

size_t token_logprobs_with_gradient_workspace(const ThreadPool& pool,
                                              const lap_token_logprobs_with_gradient_args& args);
Status token_logprobs_with_gradient(ThreadPool& pool, const Implementation& cpu,
                                    const lap_token_logprobs_with_gradient_args& args);

}  // namespace lapidary

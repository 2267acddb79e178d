#pragma once

#include "core/status.h"
#include "core/thread_pool.h"
#include "cpu/implementation.h"

namespace lapidary {

Status token_logprobs(ThreadPool& pool, const Implementation& cpu, const lap_token_logprobs_args& args);
Status token_logprobs_backward(ThreadPool& pool, const Implementation& cpu,
                               const lap_token_logprobs_backward_args& args);

}  // namespace lapidary

#pragma once

#include "core/status.h"
#include "core/thread_pool.h"
#include "cpu/implementation.h"

namespace lapidary {

Status divergence(ThreadPool& pool, const Implementation& cpu, const lap_divergence_args& args);
Status divergence_with_gradient(ThreadPool& pool, const Implementation& cpu,
                                const lap_divergence_with_gradient_args& args);

}  // namespace lapidary

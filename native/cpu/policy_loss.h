#pragma once

#include <cstddef>

#include "core/status.h"
#include "core/thread_pool.h"
#include "cpu/implementation.h"

namespace lapidary {

size_t policy_loss_workspace(const lap_policy_loss_args& args);
// Phase one: the sums of lap_sequence_stats per sequence.
Status policy_loss_reduce(ThreadPool& pool, const Implementation& implementation,
                          const lap_policy_loss_args& args);
// Phase two: g per token, and the diagnostics.
Status policy_loss_map(ThreadPool& pool, const Implementation& implementation,
                       const lap_policy_loss_args& args);
// Both, each sequence while it is in cache where no other is needed for it.
Status policy_loss(ThreadPool& pool, const Implementation& implementation, const lap_policy_loss_args& args);

}  // namespace lapidary

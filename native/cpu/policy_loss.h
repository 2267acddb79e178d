#pragma once

#include <cstddef>

#include "core/status.h"
#include "core/thread_pool.h"

namespace lapidary {

// The log-probs an anchor names, or null.
const float* anchor_logp(const lap_policy_loss_args& args, lap_anchor anchor);

size_t policy_loss_workspace(const lap_policy_loss_args& args);
// Phase one: per sequence, the kept tokens and S.
Status policy_loss_reduce(ThreadPool& pool, const lap_policy_loss_args& args);
// Phase two: g per token, and the diagnostics.
Status policy_loss_map(ThreadPool& pool, const lap_policy_loss_args& args);

}  // namespace lapidary

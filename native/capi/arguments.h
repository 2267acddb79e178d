// Checks of the C ABI's arguments, all before any work. Messages say what was given and what was expected.
#pragma once

#include "core/status.h"

namespace lapidary {

Status check(const lap_token_logprobs_args* args);
Status check(const lap_token_logprobs_backward_args* args);
// With `sizes_only` the workspace and the targets are not looked at: for the size queries.
Status check(const lap_linear_logprobs_args* args, bool sizes_only);
Status check(const lap_linear_logprobs_backward_args* args, bool sizes_only);
enum class LossPhase { kSizes, kReduce, kMap, kBoth };
Status check(const lap_policy_loss_args* args, LossPhase phase);

}  // namespace lapidary

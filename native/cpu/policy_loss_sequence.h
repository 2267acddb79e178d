// One sequence of the policy loss: its sums, and its tokens' gradients.
#pragma once

#include "cpu/implementation.h"
#include "cpu/policy_loss.h"
#include "objective/policy_batch.h"

namespace lapidary {

lap_sequence_stats reduce_sequence(const Implementation& implementation, const lap_policy_loss_args& args,
                                   int64_t i);
// Writes g and adds to the diagnostics, which begin at 0.
void map_sequence(const Implementation& implementation, const lap_policy_loss_args& args, int64_t i,
                  const Pull& pull, double* diagnostics);

}  // namespace lapidary

#pragma once

#include "core/status.h"

namespace lapidary {

// The objective's fields, and that what it names is given.
Status check_objective(const lap_policy_loss_args& args);
// Offsets, or rows of one stride.
Status check_layout(const lap_policy_loss_args& args);
// Pairs of a term of pairs.
Status check_pairs(const lap_policy_loss_args& args);

}  // namespace lapidary

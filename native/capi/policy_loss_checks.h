// Checks of the policy loss's arguments, for both backends. `contents`: look at what the pointers hold too,
// which only the host can where they are the host's.
#pragma once

#include <string>

#include "capi/checks.h"
#include "objective/sequence_term.h"

namespace lapidary {

// The objective's fields, and that what it names is given.
Status check_objective(const lap_policy_loss_args& args);
// Offsets, or rows of one stride.
Status check_layout(const lap_policy_loss_args& args, bool contents);
// Pairs of a term of pairs.
Status check_pairs(const lap_policy_loss_args& args, bool contents);

enum class LossPhase { kSizes, kReduce, kMap, kBoth };

inline Status check_quality(const lap_policy_loss_args& args, bool contents) {
  if (args.sequences > 0) LAP_TRY(not_null(args.nft_quality, "nft_quality"));
  for (int64_t i = 0; contents && i < args.sequences; ++i) {
    if (args.nft_quality[i] >= 0 && args.nft_quality[i] < 1) continue;
    return invalid("nft_quality[" + std::to_string(i) + "] is " + std::to_string(args.nft_quality[i]) +
                   "; expected 0 or more and less than 1");
  }
  return ok_status();
}

inline Status check_policy_loss(const lap_policy_loss_args* args, LossPhase phase, bool contents) {
  LAP_TRY(not_null(args, "args"));
  LAP_TRY(check_struct(args->struct_size, sizeof *args, "lap_policy_loss_args"));
  LAP_TRY(in_range(args->tokens, 0, "tokens"));
  LAP_TRY(in_range(args->sequences, 0, "sequences"));
  if (phase == LossPhase::kSizes) return ok_status();
  LAP_TRY(check_objective(*args));
  LAP_TRY(check_layout(*args, contents));
  if (args->tokens > 0) LAP_TRY(not_null(args->logp, "logp"));
  if (args->sequences > 0) LAP_TRY(not_null(args->stats, "stats"));
  if (phase == LossPhase::kReduce) return ok_status();
  if (args->sequences > 0) {
    LAP_TRY(not_null(args->advantages, "advantages"));
    LAP_TRY(not_null(args->seq_scale, "seq_scale"));
  }
  if (args->tokens > 0) LAP_TRY(not_null(args->dlogp, "dlogp"));
  if (is_pair_term(args->objective.sequence_term)) LAP_TRY(check_pairs(*args, contents));
  if (args->objective.gate == LAP_GATE_NFT) LAP_TRY(check_quality(*args, contents));
  return not_null(args->diagnostics, "diagnostics");
}

}  // namespace lapidary

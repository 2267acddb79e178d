// Checks of the vocabulary-parallel log-probs' arguments, for both backends. `contents`: look at what the
// pointers hold too, which only the host can where they are the host's.
#pragma once

#include "capi/token_logprobs_checks.h"
#include "objective/vocab_stats.h"

namespace lapidary {

template <class Args>
Status check_shard(const Args* args, const char* name, bool contents) {
  LAP_TRY(not_null(args, "args"));
  LAP_TRY(check_struct(args->struct_size, sizeof *args, name));
  LAP_TRY(check_rows(*args, false));
  LAP_TRY(in_range(args->begin, 0, "begin"));
  constexpr int64_t kMost = int64_t{1} << 31;
  if (args->begin > kMost - args->vocab) {
    return invalid("begin is " + std::to_string(args->begin) + "; expected at most 2^31 - vocab, " +
                   std::to_string(kMost - args->vocab));
  }
  LAP_TRY(check_transform(args->transform, args->rows, contents));
  if (args->rows > 0) LAP_TRY(not_null(args->targets, "targets"));
  if (contents) LAP_TRY(check_targets(args->targets, args->rows, kMost, args->ignore_index));
  return check_matrix(args->logits, args->rows, args->vocab, args->row_stride, "logits");
}

inline Status check_vocab_shard(const lap_vocab_shard_stats_args* args, bool contents) {
  LAP_TRY(check_shard(args, "lap_vocab_shard_stats_args", contents));
  return args->rows > 0 ? not_null(args->stats, "stats") : ok_status();
}

inline Status check_vocab_shard(const lap_vocab_shard_merge_args* args, bool contents) {
  LAP_TRY(not_null(args, "args"));
  LAP_TRY(check_struct(args->struct_size, sizeof *args, "lap_vocab_shard_merge_args"));
  LAP_TRY(in_range(args->shards, 1, "shards"));
  LAP_TRY(in_range(args->rows, 0, "rows"));
  if (args->rows == 0) return ok_status();
  if (args->shards > (int64_t{1} << 48) / args->rows)
    return invalid("shards is " + std::to_string(args->shards) + "; expected less than 2^48 rows in all");
  LAP_TRY(not_null(args->stats, "stats"));
  LAP_TRY(check_columns(args));
  LAP_TRY(not_null(args->lse_low, "lse_low"));
  for (int64_t t = 0; contents && t < args->rows; ++t) {
    const VocabHolders count = holders_of(*args, t);
    if (are_shards_of_one_row(*args, count)) continue;
    return invalid("stats of row " + std::to_string(t) + ": " + std::to_string(count.held) + " of " +
                   std::to_string(args->shards) + " shards hold the target and " +
                   std::to_string(count.ignored) +
                   " ignore the row; expected one to hold it, or all to ignore it");
  }
  return ok_status();
}

inline Status check_vocab_shard(const lap_vocab_shard_backward_args* args, bool contents) {
  LAP_TRY(check_shard(args, "lap_vocab_shard_backward_args", contents));
  LAP_TRY(check_dlogits(args));
  LAP_TRY(check_columns(args));
  if (args->rows == 0) return ok_status();
  LAP_TRY(not_null(args->lse_low, "lse_low"));
  if (args->dentropy != nullptr) LAP_TRY(not_null(args->entropy, "entropy"));
  return not_null(args->dlogp, "dlogp");
}

}  // namespace lapidary

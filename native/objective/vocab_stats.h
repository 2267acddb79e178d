// The statistics of a row whose columns lie on several ranks, merged in the order of ranks; shared by the
// backends.
#pragma once

#include "lapidary/vocab_shard.h"
#include "objective/logit_math.h"

namespace lapidary {

// The target's column in this shard, or -1 where another has it.
template <class Args>
LAP_HD int32_t column_of(const Args& args, int32_t target) {
  const int64_t column = target - args.begin;
  return column >= 0 && column < args.vocab ? static_cast<int32_t>(column) : -1;
}

// Without the weighted sum an entropy that somebody asks the merge for is NaN, and not a wrong number.
LAP_HD lap_vocab_stats vocab_stats(const LogitStats& others, bool is_weighted, bool is_held, double target) {
  const double weighted = is_weighted ? others.weighted : static_cast<double>(nanf(""));
  return {others.max, others.sum, weighted, is_held ? target : 0, is_held ? 1. : 0.};
}
LAP_HD lap_vocab_stats ignored_vocab_stats() { return {-HUGE_VAL, 0, 0, 0, -1}; }

// How many shards hold a row's target, and how many ignore the row.
struct VocabHolders {
  int64_t held, ignored;
};
LAP_HD VocabHolders holders_of(const lap_vocab_shard_merge_args& args, int64_t t) {
  VocabHolders count{0, 0};
  for (int64_t r = 0; r < args.shards; ++r) {
    const double held = args.stats[r * args.rows + t].held;
    count.held += held == 1;
    count.ignored += held == -1;
  }
  return count;
}
// Exactly one holds it, or all ignore it.
LAP_HD bool are_shards_of_one_row(const lap_vocab_shard_merge_args& args, const VocabHolders& count) {
  return (count.held == 1 && count.ignored == 0) || (count.held == 0 && count.ignored == args.shards);
}

LAP_HD RowResult merge_vocab_stats(const lap_vocab_shard_merge_args& args, int64_t t) {
  LogitStats others{-HUGE_VAL, 0, 0, -1};
  double target = 0;
  for (int64_t r = 0; r < args.shards; ++r) {
    const lap_vocab_stats& part = args.stats[r * args.rows + t];
    merge(&others, {part.max, part.sum, part.weighted, -1});
    if (part.held == 1) target = part.target;
  }
  return finish_row(others, target);
}

LAP_HD void put_merged(const lap_vocab_shard_merge_args& args, int64_t t, const RowResult& result) {
  args.logp[t] = result.logp;
  args.lse[t] = result.lse;
  args.lse_low[t] = static_cast<float>(result.fine_lse - result.lse);
  if (args.entropy != nullptr) args.entropy[t] = result.entropy;
}

}  // namespace lapidary

// Vocabulary-parallel log-probs: logits [T,V] of one rank's columns -> statistics, and back. Floors as those
// of the token log-probs: each reads a logit from memory once, and takes one exponential for it.
#include "cpu/vocab_shard.h"

#include <cstring>

#include "cpu/logit_rows.h"
#include "objective/vocab_stats.h"

namespace lapidary {
namespace {

lap_vocab_stats stats_of(const Implementation& cpu, const lap_vocab_shard_stats_args& args, int64_t t) {
  const LogitRow row = row_of(args, t);
  const bool want_entropy = args.want_entropy != 0;
  const int64_t column = column_of(args, args.targets[t]);
  if (column < 0) {
    const LogitStats all = cpu.logit_stats(row, 0, args.vocab, want_entropy);
    return vocab_stats(all, want_entropy, false, 0);
  }
  const LogitStats others = stats_without(cpu, row, args.vocab, column, want_entropy);
  return vocab_stats(others, want_entropy, true, scaled_target(row, column));
}

}  // namespace

Status vocab_shard_stats(ThreadPool& pool, const Implementation& cpu,
                         const lap_vocab_shard_stats_args& args) {
  pool.parallel_for(args.rows, [&](int64_t t, int) {
    const bool is_ignored = args.targets[t] == args.ignore_index;
    args.stats[t] = is_ignored ? ignored_vocab_stats() : stats_of(cpu, args, t);
  });
  return pool.is_cancelled() ? cancelled() : ok_status();
}

Status vocab_shard_merge(ThreadPool& pool, const lap_vocab_shard_merge_args& args) {
  pool.parallel_for(args.rows, [&](int64_t t, int) {
    const bool is_ignored = holders_of(args, t).ignored > 0;
    put_merged(args, t, is_ignored ? RowResult{0.f, 0.f, 0.f, 0} : merge_vocab_stats(args, t));
  });
  return pool.is_cancelled() ? cancelled() : ok_status();
}

Status vocab_shard_backward(ThreadPool& pool, const Implementation& cpu,
                            const lap_vocab_shard_backward_args& args) {
  const int64_t size = element_size(args.dtype);
  pool.parallel_for(args.rows, [&](int64_t t, int) {
    void* out = static_cast<char*>(args.dlogits) + t * args.dlogits_stride * size;
    const float g = args.dlogp[t], h = args.dentropy == nullptr ? 0.f : args.dentropy[t];
    if (args.targets[t] == args.ignore_index || (g == 0.f && h == 0.f)) {
      std::memset(out, 0, static_cast<size_t>(args.vocab * size));
      return;
    }
    const LogitRow row = row_of(args, t);
    const int64_t column = column_of(args, args.targets[t]);
    const float entropy = h == 0.f ? 0.f : args.entropy[t];
    // Read before the row is overwritten: dlogits may be the logits' own buffer.
    const float logit = column < 0 ? 0.f : load_element(row.data, row.dtype, column);
    const double lse = static_cast<double>(args.lse[t]) + args.lse_low[t];
    cpu.softmax_gradient(row, logit_gradient(row, lse, g, h, entropy), args.vocab, out);
    if (column < 0) return;
    store_element(out, args.dtype, column, target_gradient(row, logit, args.logp[t], g, h, entropy));
  });
  return pool.is_cancelled() ? cancelled() : ok_status();
}

}  // namespace lapidary

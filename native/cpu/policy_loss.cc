// The policy loss over a batch. Sequences are the unit of work; each leaves its own diagnostics, which are
// merged in order of the sequences, so that threads change nothing.
#include "cpu/policy_loss.h"

#include <algorithm>

#include "cpu/policy_loss_sequence.h"
#include "objective/policy_map.h"

namespace lapidary {
namespace {

constexpr int64_t kBatch = 16;  // sequences a task

struct Workspace {
  double* diagnostics;  // [B, LAP_DIAG_COUNT]
  Pull* pulls;          // [B] of pair terms
};

Workspace workspace_of(const lap_policy_loss_args& args) {
  const uintptr_t base = reinterpret_cast<uintptr_t>(args.workspace);
  double* first = reinterpret_cast<double*>((base + alignof(double) - 1) / alignof(double) * alignof(double));
  return {first, reinterpret_cast<Pull*>(first + args.sequences * LAP_DIAG_COUNT)};
}

void map_one(const Implementation& implementation, const lap_policy_loss_args& args, int64_t i,
             const Pull& pull, double* diagnostics) {
  std::fill_n(diagnostics, LAP_DIAG_COUNT, 0.0);
  map_sequence(implementation, args, i, pull, diagnostics);
  const Span span = span_of(args, i);
  std::fill(args.dlogp + span.end, args.dlogp + span.row_end, 0.f);
  count_sequence(args.objective, args.stats[i], args.advantages[i], pull, diagnostics);
  diagnostics[LAP_DIAG_LOSS] =
      diagnostics[LAP_DIAG_POLICY_LOSS] + diagnostics[LAP_DIAG_KL_LOSS] + diagnostics[LAP_DIAG_SEQUENCE_LOSS];
}

// The pairs' terms, in order of the pairs, into each of the two sequences. A pair without a kept token on
// both sides gives nothing.
void couple_pairs(const lap_policy_loss_args& args, Pull* pulls, double* diagnostics) {
  const lap_objective& objective = args.objective;
  std::fill_n(pulls, args.sequences, Pull{});
  const int64_t count = args.pairs == nullptr ? args.sequences / 2 : args.pair_count;
  for (int64_t k = 0; k < count; ++k) {
    const int64_t chosen = args.pairs == nullptr ? 2 * k : args.pairs[2 * k];
    const int64_t rejected = args.pairs == nullptr ? 2 * k + 1 : args.pairs[2 * k + 1];
    const PairPull pair =
        pair_pull(objective, args.stats[chosen], args.stats[rejected], args.seq_scale[chosen]);
    if (!pair.counts) continue;
    add_pull(&pulls[chosen], pair.chosen);
    add_pull(&pulls[rejected], pair.rejected);
    count_pair(objective, pair, diagnostics);
  }
}

void merge_diagnostics(const double* partial, int64_t sequences, double* total) {
  for (int64_t i = 0; i < sequences; ++i) {
    for (int d = 0; d < LAP_DIAG_COUNT; ++d) merge_diagnostic(&total[d], partial[i * LAP_DIAG_COUNT + d], d);
  }
}

template <class Work>
void for_sequences(ThreadPool& pool, int64_t sequences, Work work) {
  pool.parallel_for((sequences + kBatch - 1) / kBatch, [&](int64_t task, int) {
    for (int64_t i = task * kBatch; i < std::min(sequences, (task + 1) * kBatch); ++i) work(i);
  });
}

Status map_all(ThreadPool& pool, const Implementation& implementation, const lap_policy_loss_args& args,
               bool reduces) {
  const Workspace workspace = workspace_of(args);
  const bool pairs = is_pair_term(args.objective.sequence_term);
  std::fill_n(args.diagnostics, LAP_DIAG_COUNT, 0.0);
  if (pairs) couple_pairs(args, workspace.pulls, args.diagnostics);
  for_sequences(pool, args.sequences, [&](int64_t i) {
    if (reduces) args.stats[i] = reduce_sequence(implementation, args, i);
    map_one(implementation, args, i,
            pairs ? workspace.pulls[i]
                  : pull_of(args.objective, args.stats[i], args.seq_scale[i], args.advantages[i]),
            workspace.diagnostics + i * LAP_DIAG_COUNT);
  });
  if (pool.is_cancelled()) return cancelled();
  merge_diagnostics(workspace.diagnostics, args.sequences, args.diagnostics);
  return ok_status();
}

}  // namespace

size_t policy_loss_workspace(const lap_policy_loss_args& args) {
  const size_t each = LAP_DIAG_COUNT * sizeof(double) + sizeof(Pull);
  return static_cast<size_t>(std::max<int64_t>(args.sequences, 1)) * each + alignof(double);
}

Status policy_loss_reduce(ThreadPool& pool, const Implementation& implementation,
                          const lap_policy_loss_args& args) {
  for_sequences(pool, args.sequences,
                [&](int64_t i) { args.stats[i] = reduce_sequence(implementation, args, i); });
  return pool.is_cancelled() ? cancelled() : ok_status();
}

Status policy_loss_map(ThreadPool& pool, const Implementation& implementation,
                       const lap_policy_loss_args& args) {
  return map_all(pool, implementation, args, false);
}

Status policy_loss(ThreadPool& pool, const Implementation& implementation, const lap_policy_loss_args& args) {
  if (!is_pair_term(args.objective.sequence_term)) return map_all(pool, implementation, args, true);
  LAP_TRY(policy_loss_reduce(pool, implementation, args));
  return policy_loss_map(pool, implementation, args);
}

}  // namespace lapidary

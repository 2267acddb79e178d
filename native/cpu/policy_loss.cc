// The policy loss over a batch. Sequences are the unit of work; each leaves its own diagnostics, which are
// merged in order of the sequences, so that threads change nothing.
#include "cpu/policy_loss.h"

#include <algorithm>
#include <cmath>

#include "cpu/policy_loss_sequence.h"
#include "objective/sequence_term.h"

namespace lapidary {
namespace {

constexpr int64_t kBatch = 16;  // sequences a task

constexpr int kExtrema[] = {LAP_DIAG_S_MAX_ABS,          LAP_DIAG_GRAD_ABS_MAX,
                            LAP_DIAG_RATIO_MAX,          LAP_DIAG_IMPORTANCE_MAX,
                            LAP_DIAG_POSITIVE_S_MAX_ABS, LAP_DIAG_NEGATIVE_S_MAX_ABS};

struct Workspace {
  double* diagnostics;  // [B, LAP_DIAG_COUNT]
  Pull* pulls;          // [B] of pair terms
};

Workspace workspace_of(const lap_policy_loss_args& args) {
  const uintptr_t base = reinterpret_cast<uintptr_t>(args.workspace);
  double* first = reinterpret_cast<double*>((base + alignof(double) - 1) / alignof(double) * alignof(double));
  return {first, reinterpret_cast<Pull*>(first + args.sequences * LAP_DIAG_COUNT)};
}

// Of the sequence as a whole, once its tokens are mapped.
void count_sequence(const lap_policy_loss_args& args, int64_t i, const Pull& pull, double* diagnostics) {
  diagnostics[LAP_DIAG_SEQUENCE_LOSS] = pull.value;
  diagnostics[LAP_DIAG_LOSS] = diagnostics[LAP_DIAG_POLICY_LOSS] + diagnostics[LAP_DIAG_KL_LOSS] + pull.value;
  if (args.stats[i].kept == 0) return;
  const double s = drift_of(args.objective, args.stats[i]), advantage = args.advantages[i];
  diagnostics[LAP_DIAG_SEQUENCES] = 1;
  diagnostics[LAP_DIAG_S_SUM] = s;
  diagnostics[LAP_DIAG_S_SQUARES] = s * s;
  diagnostics[LAP_DIAG_S_MAX_ABS] = std::fabs(s);
  if (advantage == 0) return;
  double* side = diagnostics + (advantage > 0 ? LAP_DIAG_POSITIVE_SEQUENCES : LAP_DIAG_NEGATIVE_SEQUENCES);
  side[0] = 1;
  side[1] = s;
  side[2] = s * s;
  side[3] = std::fabs(s);
}

void map_one(const Implementation& implementation, const lap_policy_loss_args& args, int64_t i,
             const Pull& pull, double* diagnostics) {
  std::fill_n(diagnostics, LAP_DIAG_COUNT, 0.0);
  map_sequence(implementation, args, i, pull, diagnostics);
  const Span span = span_of(args, i);
  std::fill(args.dlogp + span.end, args.dlogp + span.row_end, 0.f);
  count_sequence(args, i, pull, diagnostics);
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
    const lap_sequence_stats &of_chosen = args.stats[chosen], &of_rejected = args.stats[rejected];
    if (of_chosen.kept == 0 || of_rejected.kept == 0) continue;
    const double up = drift_of(objective, of_chosen), down = drift_of(objective, of_rejected);
    const SequenceValue term = pair_term(objective, up - down);
    const double scale = args.seq_scale[chosen];
    const double up_slope = objective.sequence_mean ? term.slope / of_chosen.kept : term.slope;
    const double down_slope = objective.sequence_mean ? -term.slope / of_rejected.kept : -term.slope;
    pulls[chosen].slope += up_slope;
    pulls[chosen].scaled += scale * up_slope;
    pulls[chosen].value += scale * term.value;
    pulls[rejected].slope += down_slope;
    pulls[rejected].scaled += scale * down_slope;
    diagnostics[LAP_DIAG_PAIRS] += 1;
    diagnostics[LAP_DIAG_CHOSEN_REWARDS] += objective.tau * up;
    diagnostics[LAP_DIAG_REJECTED_REWARDS] += objective.tau * down;
    diagnostics[LAP_DIAG_PAIRS_RIGHT] += up > down;
  }
}

void merge_diagnostics(const double* partial, int64_t sequences, double* total) {
  for (int64_t i = 0; i < sequences; ++i) {
    for (int d = 0; d < LAP_DIAG_COUNT; ++d) total[d] += partial[i * LAP_DIAG_COUNT + d];
  }
  for (const int d : kExtrema) {
    total[d] = 0;
    for (int64_t i = 0; i < sequences; ++i) total[d] = std::max(total[d], partial[i * LAP_DIAG_COUNT + d]);
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
    map_one(implementation, args, i, pairs ? workspace.pulls[i] : pull_of(args, i),
            workspace.diagnostics + i * LAP_DIAG_COUNT);
  });
  if (pool.is_cancelled()) return cancelled();
  merge_diagnostics(workspace.diagnostics, args.sequences, args.diagnostics);
  return ok_status();
}

}  // namespace

const float* anchor_logp(const lap_policy_loss_args& args, lap_anchor anchor) {
  switch (anchor) {
    case LAP_ANCHOR_OLD:
      return args.old_logp;
    case LAP_ANCHOR_BEHAVIOUR:
      return args.behaviour_logp;
    case LAP_ANCHOR_REF:
      return args.ref_logp;
    default:
      return nullptr;
  }
}

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

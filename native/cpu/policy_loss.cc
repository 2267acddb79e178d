// The policy loss over a packed batch. Sequences are the unit of work; each leaves its own diagnostics, which
// are merged in order of the sequences, so that threads change nothing.
#include "cpu/policy_loss.h"

#include <algorithm>
#include <cmath>

#include "objective/policy_term.h"
#include "objective/sequence_term.h"

namespace lapidary {
namespace {

constexpr int64_t kBatch = 16;  // sequences a task

bool kept(const lap_policy_loss_args& args, int64_t t) { return args.mask == nullptr || args.mask[t] != 0; }

bool is_extremum(int index) { return index == LAP_DIAG_S_MAX_ABS || index == LAP_DIAG_GRAD_ABS_MAX; }

void count_class(double advantage, double weight, double logp, double* diagnostics) {
  int base;
  if (advantage > 0) {
    base = LAP_DIAG_POSITIVE_TOKENS;
  } else if (advantage < 0) {
    base = weight == 1 ? LAP_DIAG_PENALISED_TOKENS : LAP_DIAG_RELIEVED_TOKENS;
  } else {
    return;
  }
  diagnostics[base] += 1;
  diagnostics[base + 1] += logp;
}

void map_sequence(const lap_policy_loss_args& args, const float* ratio_anchor, int64_t i,
                  double* diagnostics) {
  const lap_objective& objective = args.objective;
  const lap_sequence_stats& stats = args.stats[i];
  const double scale = args.seq_scale[i], advantage = args.advantages[i];
  const SequenceValue constraint =
      stats.kept > 0 ? sequence_term(objective, stats.log_ratio_sum) : SequenceValue{0, 0};
  double policy = 0;
  for (int64_t t = args.cu_seqlens[i]; t < args.cu_seqlens[i + 1]; ++t) {
    if (!kept(args, t)) {
      args.dlogp[t] = 0.f;
      continue;
    }
    const double logp = args.logp[t], weight = args.token_weights == nullptr ? 1.0 : args.token_weights[t];
    const double anchor = ratio_anchor == nullptr ? 0.0 : ratio_anchor[t];
    const TermValue term = policy_term(objective, logp, anchor, advantage, weight);
    policy += term.value;
    args.dlogp[t] = static_cast<float>(scale * (term.slope + constraint.slope));
    diagnostics[LAP_DIAG_TOKENS] += 1;
    diagnostics[LAP_DIAG_CLIPPED] += term.clipped;
    diagnostics[LAP_DIAG_RATIO_OVERFLOW] += term.overflow;
    diagnostics[LAP_DIAG_CONSTRAINT_REVERSED] +=
        std::fabs(constraint.slope) > std::fabs(term.slope) && constraint.slope * term.slope < 0;
    diagnostics[LAP_DIAG_GRAD_ABS_MAX] =
        std::max(diagnostics[LAP_DIAG_GRAD_ABS_MAX], std::fabs(static_cast<double>(args.dlogp[t])));
    count_class(advantage, weight, logp, diagnostics);
  }
  if (stats.kept == 0) return;
  diagnostics[LAP_DIAG_POLICY_LOSS] = scale * policy;
  diagnostics[LAP_DIAG_SEQUENCE_LOSS] = scale * constraint.value;
  diagnostics[LAP_DIAG_LOSS] = scale * (policy + constraint.value);
  diagnostics[LAP_DIAG_SEQUENCES] = 1;
  diagnostics[LAP_DIAG_S_SUM] = stats.log_ratio_sum;
  diagnostics[LAP_DIAG_S_SQUARES] = stats.log_ratio_sum * stats.log_ratio_sum;
  diagnostics[LAP_DIAG_S_MAX_ABS] = std::fabs(stats.log_ratio_sum);
}

void merge_diagnostics(const double* partial, int64_t sequences, double* total) {
  std::fill_n(total, LAP_DIAG_COUNT, 0.0);
  for (int64_t i = 0; i < sequences; ++i) {
    for (int d = 0; d < LAP_DIAG_COUNT; ++d) {
      const double value = partial[i * LAP_DIAG_COUNT + d];
      total[d] = is_extremum(d) ? std::max(total[d], value) : total[d] + value;
    }
  }
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
  return static_cast<size_t>(std::max<int64_t>(args.sequences, 1)) * LAP_DIAG_COUNT * sizeof(double) +
         alignof(double);
}

Status policy_loss_reduce(ThreadPool& pool, const lap_policy_loss_args& args) {
  const float* anchor = args.objective.sequence_term == LAP_SEQUENCE_NONE
                            ? nullptr
                            : anchor_logp(args, args.objective.sequence_anchor);
  pool.parallel_for((args.sequences + kBatch - 1) / kBatch, [&](int64_t task, int) {
    for (int64_t i = task * kBatch; i < std::min(args.sequences, (task + 1) * kBatch); ++i) {
      double count = 0, sum = 0;
      for (int64_t t = args.cu_seqlens[i]; t < args.cu_seqlens[i + 1]; ++t) {
        if (!kept(args, t)) continue;
        count += 1;
        // Subtracted per token, then summed in f64: a difference of sums would lose S to cancellation.
        if (anchor != nullptr) sum += static_cast<double>(args.logp[t]) - static_cast<double>(anchor[t]);
      }
      args.stats[i] = {count, sum};
    }
  });
  return pool.is_cancelled() ? cancelled() : ok_status();
}

Status policy_loss_map(ThreadPool& pool, const lap_policy_loss_args& args) {
  const float* ratio_anchor =
      args.objective.gate == LAP_GATE_UNIT ? nullptr : anchor_logp(args, args.objective.ratio_anchor);
  const uintptr_t base = reinterpret_cast<uintptr_t>(args.workspace);
  double* partial =
      reinterpret_cast<double*>((base + alignof(double) - 1) / alignof(double) * alignof(double));
  pool.parallel_for((args.sequences + kBatch - 1) / kBatch, [&](int64_t task, int) {
    for (int64_t i = task * kBatch; i < std::min(args.sequences, (task + 1) * kBatch); ++i) {
      double* mine = partial + i * LAP_DIAG_COUNT;
      std::fill_n(mine, LAP_DIAG_COUNT, 0.0);
      map_sequence(args, ratio_anchor, i, mine);
    }
  });
  if (pool.is_cancelled()) return cancelled();
  merge_diagnostics(partial, args.sequences, args.diagnostics);
  return ok_status();
}

}  // namespace lapidary

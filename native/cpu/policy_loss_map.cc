// Phase two of the policy loss, one sequence: a token at a time in double (objective/policy_map.h), or in
// vectors where the objective has such a form.
#include "cpu/policy_loss_sequence.h"
#include "objective/policy_map.h"

namespace lapidary {
namespace {

// Every objective, a token at a time.
void map_tokens(const lap_policy_loss_args& args, int64_t i, const Pull& pull, double* diagnostics) {
  const SequenceMap map = sequence_map(args, i, args.stats[i]);
  const Span span = span_of(args, i);
  const double scale = args.seq_scale[i];
  double shared = 0, policy = 0, divergence = 0;
  if (map.through_sequence) {
    for (int64_t t = span.begin; t < span.end; ++t) {
      if (is_kept(args, t)) shared += push_of(args, map, token_of(args, map, t), nullptr).to_sequence;
    }
  }
  for (int64_t t = span.begin; t < span.end; ++t) {
    args.dlogp[t] = 0.f;
    if (!is_kept(args, t)) continue;
    args.dlogp[t] = map_token(args, map, t, scale, shared, pull, &policy, &divergence, diagnostics);
  }
  diagnostics[LAP_DIAG_POLICY_LOSS] = scale * policy;
  diagnostics[LAP_DIAG_KL_LOSS] = scale * divergence;
}

void map_vectors(const Implementation& implementation, const lap_policy_loss_args& args, int64_t i,
                 const Pull& pull, double* diagnostics) {
  const lap_objective& objective = args.objective;
  const Span span = span_of(args, i);
  const auto from = [&](const float* data) { return data == nullptr ? nullptr : data + span.begin; };
  const LossRow row{&objective,
                    span.end - span.begin,
                    from(args.logp),
                    from(anchor_logp(args, objective.ratio_anchor)),
                    from(anchor_logp(args, objective.kl_anchor)),
                    from(args.token_weights),
                    args.mask == nullptr ? nullptr : args.mask + span.begin,
                    args.advantages[i],
                    args.seq_scale[i],
                    static_cast<float>(pull.scaled),
                    args.dlogp + span.begin};
  implementation.loss_row(row, diagnostics);
  const double scale = args.seq_scale[i];
  diagnostics[LAP_DIAG_POLICY_LOSS] *= scale;
  diagnostics[LAP_DIAG_KL_LOSS] *= scale;
  diagnostics[LAP_DIAG_PULL_ABS] = fabs(pull.slope) * diagnostics[LAP_DIAG_TOKENS];
}

}  // namespace

void map_sequence(const Implementation& implementation, const lap_policy_loss_args& args, int64_t i,
                  const Pull& pull, double* diagnostics) {
  if (has_float_form(args)) {
    map_vectors(implementation, args, i, pull, diagnostics);
  } else {
    map_tokens(args, i, pull, diagnostics);
  }
}

}  // namespace lapidary

// Checks of an objective: enums, ranges, and the log-probs it names.
#include <cmath>
#include <string>

#include "capi/checks.h"
#include "capi/policy_loss_checks.h"
#include "objective/policy_batch.h"
#include "objective/sequence_term.h"

namespace lapidary {
namespace {

using std::to_string;

Status field_error(const char* field, const std::string& given, const std::string& expected) {
  return invalid(std::string("objective.") + field + " is " + given + "; expected " + expected);
}

Status one_of(int value, int last, const char* field, const char* type) {
  if (value >= 0 && value <= last) return ok_status();
  return field_error(field, to_string(value), std::string("a ") + type);
}

Status at_least(float value, float low, const char* field) {
  if (value >= low && std::isfinite(value)) return ok_status();
  return field_error(field, to_string(value), "a finite number, " + to_string(low) + " or more");
}

Status above(float value, const char* field) {
  if (value > 0 && std::isfinite(value)) return ok_status();
  return field_error(field, to_string(value), "a finite number above 0");
}

Status finite(float value, const char* field) {
  return std::isfinite(value) ? ok_status() : field_error(field, to_string(value), "a finite number");
}

Status check_anchor(const lap_policy_loss_args& args, lap_anchor anchor, const char* field) {
  static const char* const kNames[] = {"none", "old_logp", "behaviour_logp", "ref_logp"};
  if (anchor < LAP_ANCHOR_OLD || anchor > LAP_ANCHOR_REF) {
    return field_error(field, to_string(anchor), "old, behaviour or ref");
  }
  if (args.tokens > 0 && anchor_logp(args, anchor) == nullptr) {
    return invalid(std::string(kNames[anchor]) + " is NULL, but objective." + field + " names it");
  }
  return ok_status();
}

Status check_given(const lap_policy_loss_args& args, const float* data, const char* name, const char* field) {
  if (args.tokens == 0 || data != nullptr) return ok_status();
  return invalid(std::string(name) + " is NULL, but objective." + field + " needs it");
}

// A cap is 0, for none, or above 1.
Status check_cap(float value, const char* field) {
  if (value == 0 || (value >= 1 && std::isfinite(value))) return ok_status();
  return field_error(field, to_string(value), "0 or a finite number, 1 or more");
}

Status check_sides(const lap_objective& objective, bool ordered, bool positive) {
  const float* const sides[] = {objective.positive, objective.negative};
  static const char* const kNames[] = {"positive", "negative"};
  for (int side = 0; side < 2; ++side) {
    LAP_TRY(at_least(sides[side][0], 0, kNames[side]));
    LAP_TRY(at_least(sides[side][1], 0, kNames[side]));
    if (positive) LAP_TRY(above(sides[side][0], kNames[side]));
    if (ordered) LAP_TRY(at_least(sides[side][1], sides[side][0], kNames[side]));
  }
  return ok_status();
}

Status check_ratio(const lap_policy_loss_args& args) {
  const lap_objective& objective = args.objective;
  LAP_TRY(check_anchor(args, objective.ratio_anchor, "ratio_anchor"));
  LAP_TRY(one_of(objective.ratio_level, LAP_LEVEL_GEOMETRIC, "ratio_level", "lap_level"));
  if (objective.ratio_level != LAP_LEVEL_GEOMETRIC) return ok_status();
  if (objective.through_token) return field_error("through_token", "set", "0 under LAP_LEVEL_GEOMETRIC");
  LAP_TRY(at_least(objective.geometric_low, 0, "geometric_low"));
  LAP_TRY(at_least(objective.geometric_high, 0, "geometric_high"));
  return args.sequences > 0 ? not_null(args.advantages, "advantages") : ok_status();
}

Status check_gate(const lap_policy_loss_args& args) {
  const lap_objective& objective = args.objective;
  LAP_TRY(one_of(objective.gate, LAP_GATE_NFT, "gate", "lap_gate"));
  if (objective.gate == LAP_GATE_UNIT || objective.gate == LAP_GATE_NONE) return ok_status();
  if (objective.gate == LAP_GATE_CLIP_SURROGATE) {
    if (!(objective.clip_low >= 0 && objective.clip_low <= 1)) {
      return field_error("clip_low", to_string(objective.clip_low), "0 to 1");
    }
    if (!(objective.clip_high >= 0)) {
      return field_error("clip_high", to_string(objective.clip_high), "0 or more");
    }
    LAP_TRY(check_cap(objective.dual_clip, "dual_clip"));
    LAP_TRY(check_cap(objective.ratio_cap, "ratio_cap"));
  }
  if (objective.gate == LAP_GATE_CLIP_WEIGHT) LAP_TRY(check_sides(objective, true, false));
  if (objective.gate == LAP_GATE_SAPO) LAP_TRY(check_sides(objective, false, true));
  if (objective.gate == LAP_GATE_GAMMA) LAP_TRY(check_sides(objective, false, false));
  if (objective.gate == LAP_GATE_NFT) {
    LAP_TRY(above(objective.nft_floor, "nft_floor"));
    LAP_TRY(at_least(objective.nft_omega, 0, "nft_omega"));
  }
  return check_ratio(args);
}

Status check_masks(const lap_policy_loss_args& args) {
  const lap_objective& objective = args.objective;
  LAP_TRY(one_of(objective.token_mask, LAP_MASK_BINARY_KL, "token_mask", "lap_token_mask"));
  if (objective.token_mask != LAP_MASK_NONE) {
    LAP_TRY(check_anchor(args, objective.mask_anchor, "mask_anchor"));
    LAP_TRY(at_least(objective.mask_low, 0, "mask_low"));
    LAP_TRY(at_least(objective.mask_high, 0, "mask_high"));
  }
  LAP_TRY(at_least(objective.sequence_mask, 0, "sequence_mask"));
  if (objective.sequence_mask == 0) return ok_status();
  return check_given(args, args.behaviour_logp, "behaviour_logp", "sequence_mask");
}

Status check_importance(const lap_policy_loss_args& args) {
  const lap_objective& objective = args.objective;
  LAP_TRY(one_of(objective.importance, LAP_IMPORTANCE_POLICY, "importance", "lap_importance"));
  if (objective.importance == LAP_IMPORTANCE_NONE) return ok_status();
  LAP_TRY(one_of(objective.importance_level, LAP_LEVEL_SEQUENCE_MEAN, "importance_level", "lap_level"));
  LAP_TRY(one_of(objective.importance_outside, LAP_OUTSIDE_DROP_OWN, "importance_outside", "lap_outside"));
  LAP_TRY(at_least(objective.importance_low, 0, "importance_low"));
  LAP_TRY(at_least(objective.importance_high, objective.importance_low, "importance_high"));
  LAP_TRY(check_given(args, args.behaviour_logp, "behaviour_logp", "importance"));
  if (objective.importance == LAP_IMPORTANCE_POLICY) return ok_status();
  return check_given(args, args.old_logp, "old_logp", "importance");
}

Status check_kl(const lap_policy_loss_args& args) {
  const lap_objective& objective = args.objective;
  LAP_TRY(one_of(objective.kl, LAP_KL_SQUARE, "kl", "lap_kl"));
  if (objective.kl == LAP_KL_NONE) return ok_status();
  LAP_TRY(one_of(objective.kl_gradient, LAP_KL_WEIGHTED, "kl_gradient", "lap_kl_gradient"));
  LAP_TRY(check_anchor(args, objective.kl_anchor, "kl_anchor"));
  LAP_TRY(finite(objective.kl_coefficient, "kl_coefficient"));
  LAP_TRY(at_least(objective.kl_input_bound, 0, "kl_input_bound"));
  LAP_TRY(at_least(objective.kl_output_bound, 0, "kl_output_bound"));
  if (objective.kl_gradient < LAP_KL_RATIO) return ok_status();
  return check_anchor(args, objective.kl_ratio_anchor, "kl_ratio_anchor");
}

Status check_sequence_term(const lap_policy_loss_args& args) {
  const lap_objective& objective = args.objective;
  LAP_TRY(one_of(objective.sequence_term, LAP_SEQUENCE_SPPO, "sequence_term", "lap_sequence_term"));
  if (objective.sequence_term == LAP_SEQUENCE_NONE) return ok_status();
  const bool square = objective.sequence_term == LAP_SEQUENCE_SQUARE;
  LAP_TRY(square ? at_least(objective.tau, 0, "tau") : above(objective.tau, "tau"));
  LAP_TRY(finite(objective.smoothing, "smoothing"));
  LAP_TRY(finite(objective.margin, "margin"));
  LAP_TRY(finite(objective.kto_z0, "kto_z0"));
  LAP_TRY(at_least(objective.kto_desirable, 0, "kto_desirable"));
  LAP_TRY(at_least(objective.kto_undesirable, 0, "kto_undesirable"));
  if (!square && objective.sequence_anchor == LAP_ANCHOR_NONE) return ok_status();
  return check_anchor(args, objective.sequence_anchor, "sequence_anchor");
}

}  // namespace

Status check_objective(const lap_policy_loss_args& args) {
  LAP_TRY(check_struct(args.objective.struct_size, sizeof(lap_objective), "lap_objective"));
  LAP_TRY(check_gate(args));
  LAP_TRY(check_masks(args));
  LAP_TRY(check_importance(args));
  LAP_TRY(check_kl(args));
  return check_sequence_term(args);
}

}  // namespace lapidary

// Objectives for the tests of the policy loss, and the lengths they are tried on.
#pragma once

#include <vector>

#include "lapidary.h"

namespace cuda_test {

inline lap_objective plain_objective() {
  lap_objective o{};
  o.struct_size = sizeof o;
  o.clip_low = o.clip_high = 0.2f;
  o.positive[0] = 0.5f, o.positive[1] = 1.5f;
  o.negative[0] = 0.25f, o.negative[1] = 2.f;
  o.geometric_low = 0.1f, o.geometric_high = 0.15f;
  o.nft_floor = 0.1f, o.nft_omega = 0.7f;
  o.mask_low = 0.5f, o.mask_high = 1.2f;
  o.importance_low = 0.5f, o.importance_high = 2.f;
  o.kl_coefficient = 0.1f;
  o.tau = 0.05f;
  o.smoothing = 0.1f, o.margin = 0.2f;
  o.kto_z0 = 0.1f, o.kto_desirable = 1.f, o.kto_undesirable = 1.5f;
  return o;
}

inline const std::vector<int64_t> kLengths{5, 40, 0, 513, 512, 1, 1100, 0, 33, 300};

// Those whose kernels differ: f32 and f64, with and without a sum over the sequence, pairs given or not.
inline std::vector<lap_objective> few_objectives() {
  lap_objective bcpg = plain_objective();
  bcpg.sequence_term = LAP_SEQUENCE_SQUARE;
  bcpg.sequence_anchor = LAP_ANCHOR_REF;
  lap_objective grpo = plain_objective();
  grpo.gate = LAP_GATE_CLIP_SURROGATE;
  grpo.ratio_anchor = LAP_ANCHOR_OLD;
  grpo.kl = LAP_KL_K3;
  grpo.kl_anchor = LAP_ANCHOR_REF;
  lap_objective gspo = grpo;
  gspo.ratio_level = LAP_LEVEL_SEQUENCE_MEAN;
  gspo.importance = LAP_IMPORTANCE_POLICY;
  gspo.sequence_mask = 0.01f;
  lap_objective dpo = plain_objective();
  dpo.gate = LAP_GATE_NONE;
  dpo.sequence_term = LAP_SEQUENCE_LOGISTIC_PAIR;
  dpo.sequence_anchor = LAP_ANCHOR_REF;
  lap_objective nft = plain_objective();
  nft.gate = LAP_GATE_NFT;
  nft.ratio_anchor = LAP_ANCHOR_OLD;
  nft.importance = LAP_IMPORTANCE_OLD;
  return {bcpg, grpo, gspo, dpo, nft};
}

}  // namespace cuda_test

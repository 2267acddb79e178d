#ifndef LAPIDARY_POLICY_LOSS_H_
#define LAPIDARY_POLICY_LOSS_H_

#include "lapidary/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- policy loss: a packed batch of log-probs -> loss, g = dL/dlogp, diagnostics ----
 * L = sum_i N_i * sum_t m_t * [policy term] + sum_i N_i * [sequence term]; the formulas are in
 * native/objective/. N_i = seq_scale[i] is the whole aggregation (e.g. 1 / (G |y_i|)) and is never inferred.
 */
typedef enum lap_anchor {
  LAP_ANCHOR_NONE = 0,
  LAP_ANCHOR_OLD = 1,
  LAP_ANCHOR_BEHAVIOUR = 2,
  LAP_ANCHOR_REF = 3
} lap_anchor;

typedef enum lap_gate {
  LAP_GATE_UNIT = 0, /* -w A logp: gradient -w A */
  LAP_GATE_CLIP_SURROGATE =
      1 /* -w min(rho A, clip(rho, 1 - clip_low, 1 + clip_high) A), rho = exp(logp - anchor) */
} lap_gate;

typedef enum lap_sequence_term {
  LAP_SEQUENCE_NONE = 0,
  LAP_SEQUENCE_SQUARE = 1 /* (tau / 2) S^2, S = sum_t m_t (logp_t - anchor_t) */
} lap_sequence_term;

typedef struct lap_objective {
  size_t struct_size;
  lap_gate gate;
  lap_anchor ratio_anchor; /* of rho; LAP_ANCHOR_NONE with LAP_GATE_UNIT */
  float clip_low, clip_high;
  lap_sequence_term sequence_term;
  lap_anchor sequence_anchor;
  float tau;
} lap_objective;

/* Index map of the diagnostics, f64. Sums run over kept tokens (or sequences with at least one); extrema of
 * an empty set are 0. A token is positive where A > 0, relieved where A < 0 and w != 1, penalised where A < 0
 * and w = 1. */
typedef enum lap_diagnostic {
  LAP_DIAG_LOSS = 0,                /* sum: policy term + sequence term */
  LAP_DIAG_POLICY_LOSS = 1,         /* sum */
  LAP_DIAG_SEQUENCE_LOSS = 2,       /* sum */
  LAP_DIAG_TOKENS = 3,              /* count of kept tokens */
  LAP_DIAG_SEQUENCES = 4,           /* count of sequences with a kept token */
  LAP_DIAG_CLIPPED = 5,             /* count of tokens whose gradient the gate stopped */
  LAP_DIAG_RATIO_OVERFLOW = 6,      /* count of tokens whose log-ratio was cut to +-20 before exp */
  LAP_DIAG_CONSTRAINT_REVERSED = 7, /* count of tokens where |tau S| > |w A| and they differ in sign */
  LAP_DIAG_POSITIVE_TOKENS = 8,
  LAP_DIAG_POSITIVE_LOGP = 9, /* sum of logp */
  LAP_DIAG_RELIEVED_TOKENS = 10,
  LAP_DIAG_RELIEVED_LOGP = 11,
  LAP_DIAG_PENALISED_TOKENS = 12,
  LAP_DIAG_PENALISED_LOGP = 13,
  LAP_DIAG_S_SUM = 14,        /* sum of S over sequences */
  LAP_DIAG_S_SQUARES = 15,    /* sum of S^2 */
  LAP_DIAG_S_MAX_ABS = 16,    /* extremum of |S| */
  LAP_DIAG_GRAD_ABS_MAX = 17, /* extremum of |g| */
  LAP_DIAG_COUNT = 18
} lap_diagnostic;

/* What phase one leaves per sequence. Ranks that share a sequence add `kept` and `log_ratio_sum` between
 * phases. */
typedef struct lap_sequence_stats {
  double kept;          /* tokens with mask != 0 */
  double log_ratio_sum; /* S; 0 without a sequence term */
} lap_sequence_stats;

typedef struct lap_policy_loss_args {
  size_t struct_size;
  lap_objective objective;
  int64_t tokens, sequences;
  const int64_t* cu_seqlens;   /* [B+1], from 0 to N, not decreasing; an empty sequence is legal */
  const float* logp;           /* [N] */
  const float* old_logp;       /* [N], or NULL where the objective does not name it */
  const float* behaviour_logp; /* [N], or NULL */
  const float* ref_logp;       /* [N], or NULL */
  const float* advantages;     /* [B] */
  const float* token_weights;  /* [N], or NULL: 1 */
  const uint8_t* mask;         /* [N], or NULL: all kept. Where 0, the other inputs may hold NaN and g is 0 */
  const float* seq_scale;      /* [B]: N_i */
  lap_sequence_stats* stats;   /* [B]: out of the reduce phase, in of the map phase */
  float* dlogp;                /* out [N]: g (map phase) */
  double* diagnostics;         /* out [LAP_DIAG_COUNT] (map phase) */
  void* workspace;
  size_t workspace_bytes;
} lap_policy_loss_args;
LAP_API lap_status lap_policy_loss_workspace(lap_context* ctx, const lap_policy_loss_args* args,
                                             size_t* bytes);
LAP_API lap_status lap_policy_loss_reduce(lap_context* ctx, const lap_policy_loss_args* args);
LAP_API lap_status lap_policy_loss_map(lap_context* ctx, const lap_policy_loss_args* args);
/* Both phases in one call. */
LAP_API lap_status lap_policy_loss(lap_context* ctx, const lap_policy_loss_args* args);

#ifdef __cplusplus
}
#endif
#endif /* LAPIDARY_POLICY_LOSS_H_ */

#ifndef LAPIDARY_POLICY_LOSS_H_
#define LAPIDARY_POLICY_LOSS_H_

#include "lapidary/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- policy loss: log-probs of a batch of sequences -> loss, g = dL/dlogp, diagnostics ----
 * L = sum_i N_i { sum_t m_t [ w_t c_t gate(R_t, logp_t; A) + kl(delta_t) ] + term_i }
 * R is a log-ratio logp - anchor of the token or of its sequence, c a detached importance weight, term_i a
 * function of S_i = sum_t m_t (logp_t - anchor_t). Every objective is a choice of these few fields; the
 * formulas are in native/objective/. N_i = seq_scale[i] is the whole aggregation (e.g. 1 / (G |y_i|)), never
 * inferred. Detached factors: the value is the published estimator, g its published gradient. A w = 0 gives a
 * gate of exactly 0. Log-ratios of a gate are cut to +-20 before exp, with no gradient beyond and counted. An
 * objective of zeros is -w A logp.
 */
typedef enum lap_anchor LAP_INT_ENUM {
  LAP_ANCHOR_NONE = 0,
  LAP_ANCHOR_OLD = 1,
  LAP_ANCHOR_BEHAVIOUR = 2,
  LAP_ANCHOR_REF = 3
} lap_anchor;

typedef enum lap_level LAP_INT_ENUM {
  LAP_LEVEL_TOKEN = 0,
  LAP_LEVEL_SEQUENCE_SUM = 1,
  LAP_LEVEL_SEQUENCE_MEAN = 2,
  /* The mean of log-ratios that are each cut to [-geometric_low, geometric_high] on the side that the
   * sequence's A pushes to (GMPO, arXiv 2507.20673). Of a ratio only. */
  LAP_LEVEL_GEOMETRIC = 3
} lap_level;

typedef enum lap_gate LAP_INT_ENUM {
  LAP_GATE_UNIT = 0,           /* -A logp */
  LAP_GATE_CLIP_SURROGATE = 1, /* -min(min(rho, ratio_cap) A, clip(rho, 1 - clip_low, 1 + clip_high) A), and
                                  where A < 0 at most -dual_clip A */
  LAP_GATE_RATIO = 2,          /* -rho A */
  LAP_GATE_LOG_RATIO = 3,      /* -A R */
  LAP_GATE_CLIP_WEIGHT = 4, /* -clip(rho, low, high) A logp, the weight detached; bounds by the sign of A */
  LAP_GATE_SAPO = 5,        /* -(4 / t) sigmoid(t (rho - 1)) A, t by the sign of A */
  LAP_GATE_GAMMA = 6,       /* -e^k rho^s e^(-k rho) A logp, the weight detached; (s, k) by the sign of A */
  LAP_GATE_NONE = 7,        /* 0 */
  LAP_GATE_NFT = 8 /* A > 0: -omega R; else -omega log max((1 - q rho) / (1 - q), floor), the gradient
                      of the maximum passed straight through. q by sequence: nft_quality */
} lap_gate;

/* Which tokens have a gate at all, by rho of the token (or its probability) and the sign of A; detached. */
typedef enum lap_token_mask LAP_INT_ENUM {
  LAP_MASK_NONE = 0,
  LAP_MASK_ONE_SIDE = 1, /* A > 0: rho <= mask_high; else rho >= mask_low */
  LAP_MASK_TWO_SIDE = 2, /* mask_low <= rho <= mask_high */
  LAP_MASK_TV = 3,       /* p - p_anchor: A > 0: <= mask_high; else >= -mask_low (arXiv 2602.04879) */
  LAP_MASK_BINARY_KL = 4 /* KL of (p_anchor, 1 - p_anchor) from (p, 1 - p): A > 0: <= mask_high where p >
                            p_anchor; else <= mask_low where p < p_anchor */
} lap_token_mask;

typedef enum lap_importance LAP_INT_ENUM {
  LAP_IMPORTANCE_NONE = 0,
  LAP_IMPORTANCE_OLD = 1,   /* x = old - behaviour */
  LAP_IMPORTANCE_POLICY = 2 /* x = logp - behaviour */
} lap_importance;

typedef enum lap_outside LAP_INT_ENUM {
  LAP_OUTSIDE_CUT = 0,     /* to the bound */
  LAP_OUTSIDE_DROP = 1,    /* to 0 */
  LAP_OUTSIDE_DROP_OWN = 2 /* to 0; inside, a token has its own e^x, whatever the level */
} lap_outside;

typedef enum lap_kl LAP_INT_ENUM {
  LAP_KL_NONE = 0,
  LAP_KL_K1 = 1, /* delta = logp - anchor */
  LAP_KL_K2 = 2, /* delta^2 / 2 */
  LAP_KL_K3 = 3, /* e^-delta + delta - 1 */
  LAP_KL_ABS = 4,
  LAP_KL_SQUARE = 5 /* delta^2 */
} lap_kl;

typedef enum lap_kl_gradient LAP_INT_ENUM {
  LAP_KL_OWN = 0,     /* of the estimator */
  LAP_KL_DELTA = 1,   /* delta, the value kept (straight through) */
  LAP_KL_SCORE = 2,   /* of e^(logp - detached logp) times the estimator; of k3: delta */
  LAP_KL_RATIO = 3,   /* of rho times the estimator, which is the value too; of k3: rho delta */
  LAP_KL_WEIGHTED = 4 /* the same with rho detached */
} lap_kl_gradient;

typedef enum lap_sequence_term LAP_INT_ENUM {
  LAP_SEQUENCE_NONE = 0,
  LAP_SEQUENCE_SQUARE = 1, /* (tau / 2) S^2 */
  LAP_SEQUENCE_LOGISTIC_PAIR =
      2, /* -(1 - e) log sigmoid(z) - e log sigmoid(-z), z = beta (S_w - S_l) - margin */
  LAP_SEQUENCE_SQUARE_PAIR = 3, /* (S_w - S_l - 1 / (2 beta))^2 */
  LAP_SEQUENCE_HINGE_PAIR = 4,  /* max(0, 1 - beta (S_w - S_l)) */
  LAP_SEQUENCE_KTO = 5,         /* weight (1 - sigmoid(+-beta (S - z0))), + and `desirable` where A > 0 */
  LAP_SEQUENCE_NPO = 6,         /* (2 / beta) log(1 + e^(beta S)) */
  LAP_SEQUENCE_SPPO = 7         /* (S -+ 1 / (2 beta))^2, - where A > 0 */
} lap_sequence_term;

typedef struct lap_objective {
  size_t struct_size;
  lap_gate gate;
  lap_anchor ratio_anchor; /* of R; LAP_ANCHOR_NONE where nothing uses R */
  lap_level ratio_level;
  int32_t through_token; /* a sequence's ratio: its gradient through each token for itself (GSPO-token) */
  float clip_low, clip_high;
  float dual_clip, ratio_cap; /* above 1, or 0: none */
  float positive[2];          /* A > 0: bounds of CLIP_WEIGHT, t of SAPO in [0], (s, k) of GAMMA */
  float negative[2];          /* A <= 0 */
  float geometric_low, geometric_high;
  float nft_floor, nft_omega;
  lap_token_mask token_mask;
  lap_anchor mask_anchor;
  float mask_low, mask_high;
  /* Sequences with A < 0 and mean(behaviour - logp) above this have no gates (arXiv 2512.02556); 0: off. */
  float sequence_mask;
  lap_importance importance;
  lap_level importance_level;
  lap_outside importance_outside;
  float importance_low, importance_high;
  lap_kl kl;
  lap_kl_gradient kl_gradient;
  lap_anchor kl_anchor;
  lap_anchor kl_ratio_anchor; /* of rho, always of the token; LAP_ANCHOR_NONE without one */
  float kl_coefficient;
  float kl_input_bound, kl_output_bound; /* |delta| and |value| are cut, no slope beyond; 0: none */
  lap_sequence_term sequence_term;
  lap_anchor sequence_anchor; /* LAP_ANCHOR_NONE: S = sum logp */
  int32_t sequence_mean;      /* S / kept for S */
  float tau;                  /* of SQUARE; the others' beta, which is positive */
  float smoothing, margin;    /* e and margin of LOGISTIC_PAIR */
  float kto_z0, kto_desirable, kto_undesirable;
} lap_objective;

/* Index map of the diagnostics, f64. Sums run over kept tokens (or sequences with at least one); extrema of
 * an empty set are 0. A token is positive where A > 0, relieved where A < 0 and w != 1, penalised where A < 0
 * and w = 1. Of a sequence that ranks share, each counts its items once. */
typedef enum lap_diagnostic LAP_INT_ENUM {
  LAP_DIAG_LOSS = 0,                /* sum: policy, KL and sequence terms */
  LAP_DIAG_POLICY_LOSS = 1,         /* sum */
  LAP_DIAG_SEQUENCE_LOSS = 2,       /* sum; a pair's term counts with its chosen sequence */
  LAP_DIAG_TOKENS = 3,              /* count of kept tokens */
  LAP_DIAG_SEQUENCES = 4,           /* count of sequences with a kept token */
  LAP_DIAG_CLIPPED = 5,             /* count of tokens whose gradient a clip or mask stopped */
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
  LAP_DIAG_KL_LOSS = 18,      /* sum */
  LAP_DIAG_CLIPPED_LOW = 19,  /* count: rho below the lower bound of a clip surrogate where that stops it, or
                                 of a  clip weight; of NFT: at the floor */
  LAP_DIAG_CLIPPED_HIGH = 20, /* count: above the upper one, or the cap */
  LAP_DIAG_CLIPPED_DUAL = 21, /* count: by the dual clip */
  LAP_DIAG_RATIO_TOKENS = 22, /* count of the tokens whose rho a gate looked at */
  LAP_DIAG_RATIO_SUM = 23,
  LAP_DIAG_RATIO_MAX = 24,      /* extremum of rho */
  LAP_DIAG_KL_K1_SUM = 25,      /* sum of delta to the anchor of the KL term */
  LAP_DIAG_KL_VALUES = 26,      /* sum of the estimator, without coefficient and scale */
  LAP_DIAG_IMPORTANCE_SUM = 27, /* of c over the tokens with a gate */
  LAP_DIAG_IMPORTANCE_SQUARES = 28,
  LAP_DIAG_IMPORTANCE_MAX = 29,     /* extremum */
  LAP_DIAG_PUSH_ABS = 30,           /* sum of |policy slope|: of a unit gate |w A| */
  LAP_DIAG_PULL_ABS = 31,           /* sum over tokens of |slope of the sequence term|: of a square |tau S| */
  LAP_DIAG_POSITIVE_SEQUENCES = 32, /* A > 0 */
  LAP_DIAG_POSITIVE_S_SUM = 33,
  LAP_DIAG_POSITIVE_S_SQUARES = 34,
  LAP_DIAG_POSITIVE_S_MAX_ABS = 35, /* extremum */
  LAP_DIAG_NEGATIVE_SEQUENCES = 36, /* A < 0 */
  LAP_DIAG_NEGATIVE_S_SUM = 37,
  LAP_DIAG_NEGATIVE_S_SQUARES = 38,
  LAP_DIAG_NEGATIVE_S_MAX_ABS = 39, /* extremum */
  LAP_DIAG_PAIRS = 40,              /* count */
  LAP_DIAG_CHOSEN_REWARDS = 41,     /* sum of beta S of the chosen */
  LAP_DIAG_REJECTED_REWARDS = 42,
  LAP_DIAG_PAIRS_RIGHT = 43, /* count of S_w > S_l */
  LAP_DIAG_NON_FINITE = 44,  /* count of tokens whose g is not finite */
  LAP_DIAG_COUNT = 45
} lap_diagnostic;

/* What phase one leaves per sequence: sums over kept tokens, 0 where the objective does not need them. Ranks
 * that share a sequence add all fields between the phases. They cannot share one under a ratio of the
 * sequence whose gradient runs through the sum: use `through_token`, which is equal where A w c is constant
 * in the sequence. */
typedef struct lap_sequence_stats {
  double kept;           /* tokens with mask != 0 */
  double log_ratio_sum;  /* S */
  double ratio_sum;      /* of R, cut per token under LAP_LEVEL_GEOMETRIC */
  double importance_sum; /* of x */
  double behaviour_sum;  /* of behaviour - logp, for sequence_mask */
} lap_sequence_stats;

/* Packed: cu_seqlens. Padded: cu_seqlens NULL, sequence i in [i row_stride, i row_stride + lengths[i]) of
 * N = B row_stride tokens; g is 0 in the padding. Both give the same bits. */
typedef struct lap_policy_loss_args {
  size_t struct_size;
  lap_objective objective;
  int64_t tokens, sequences;
  const int64_t* cu_seqlens; /* [B+1], from 0 to N, not decreasing; an empty sequence is legal */
  int64_t row_stride;
  const int64_t* lengths;        /* [B], or NULL: row_stride each */
  const float* logp;             /* [N] */
  const float* old_logp;         /* [N], or NULL where the objective does not name it */
  const float* behaviour_logp;   /* [N], or NULL */
  const float* ref_logp;         /* [N], or NULL */
  const float* advantages;       /* [B] */
  const float* token_advantages; /* [N], in place of the sequence's in the gates, or NULL */
  const float* token_weights;    /* [N], or NULL: 1 */
  const uint8_t* mask;           /* [N], or NULL: all kept. Where 0, other inputs may hold NaN and g is 0 */
  const float* seq_scale;        /* [B]: N_i */
  const float* nft_quality;      /* [B], 0 <= q < 1, or NULL where the gate is not NFT */
  const int64_t* pairs;      /* [2 P]: chosen, rejected; a sequence may be in several. NULL: P = B / 2, pair k
                                is (2 k, 2 k + 1). A pair's scale is its chosen sequence's. */
  int64_t pair_count;        /* P where `pairs` is given */
  lap_sequence_stats* stats; /* [B]: out of the reduce phase, in of the map phase */
  float* dlogp;              /* out [N]: g (map phase) */
  double* diagnostics;       /* out [LAP_DIAG_COUNT] (map phase) */
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

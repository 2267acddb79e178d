/* Lapidary: the C ABI of the loss kernels.
 *
 * Conventions, for every function:
 *  - Sizes, strides and offsets are int64_t, counted in elements, never in bytes.
 *  - T rows (tokens), V vocabulary, H hidden width, N tokens of a packed batch, B sequences.
 *  - Argument structs begin with `struct_size`, set to sizeof the struct; later versions append fields.
 *  - Nothing throws, prints, exits or keeps global state. Every call returns a lap_status; on an error
 *    lap_error_message(ctx) says which argument was given what, and no output has been written.
 *  - Arguments are checked before any work, targets included. Outputs are never left unwritten.
 *  - Arithmetic and sums are f32 or wider whatever the input type; log-probs are natural logarithms.
 *  - Results are bitwise repeatable, do not depend on the number of threads, and a row's result does not
 *    depend on the rows it is computed with. Different instruction sets may differ in the last bits.
 *  - One context may be used by one thread at a time.
 */
#ifndef LAPIDARY_H_
#define LAPIDARY_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define LAP_API __declspec(dllexport)
#else
#define LAP_API __attribute__((visibility("default")))
#endif

typedef enum lap_status {
  LAP_OK = 0,
  LAP_INVALID_ARGUMENT = 1, /* the message names the argument */
  LAP_OUT_OF_MEMORY = 2,
  LAP_CANCELLED = 3,  /* the cancel flag was raised; outputs are unspecified */
  LAP_WRONG_STATE = 4 /* e.g. backward before forward */
} lap_status;

typedef enum lap_dtype { LAP_F32 = 0, LAP_BF16 = 1 } lap_dtype;

/* ---- context: thread pool and implementation, both chosen at creation ---- */
typedef struct lap_context lap_context;

typedef struct lap_context_options {
  size_t struct_size;
  int32_t threads;            /* 0: one per core that the process may use */
  const char* implementation; /* NULL: the best this CPU supports; else "portable", "avx2" */
} lap_context_options;

LAP_API lap_status lap_context_create(const lap_context_options* options, lap_context** out);
LAP_API void lap_context_destroy(lap_context* ctx);
/* Message of the last failed call on this context; "" after a success. Valid until the next call. */
LAP_API const char* lap_error_message(const lap_context* ctx);
LAP_API const char* lap_context_implementation(const lap_context* ctx);
LAP_API int32_t lap_context_threads(const lap_context* ctx);
/* A flag polled between tiles: non-zero stops the running call with LAP_CANCELLED. NULL: none. */
LAP_API void lap_context_set_cancel(lap_context* ctx, const int32_t* flag);

/* ---- token log-probs: logits [T,V] -> logp, lse, entropy [T] ----
 * z = logits / temperature; lse = log sum_v exp(z_v); logp = z_target - lse <= 0;
 * entropy = lse - sum_v p_v z_v (nats; vocabulary entries of -inf count as p = 0).
 * A row whose target equals ignore_index gives logp = lse = entropy = 0 and is not read. */
typedef struct lap_token_logprobs_args {
  size_t struct_size;
  const void* logits; /* [T,V], rows row_stride apart */
  lap_dtype dtype;
  int64_t rows, vocab, row_stride;
  const int32_t* targets; /* [T], each in [0,V) or ignore_index */
  int32_t ignore_index;   /* negative */
  float temperature;      /* > 0 */
  float* logp;            /* out [T] */
  float* lse;             /* out [T] */
  float* entropy;         /* out [T], or NULL */
} lap_token_logprobs_args;
LAP_API lap_status lap_token_logprobs(lap_context* ctx, const lap_token_logprobs_args* args);

/* Backward: dlogits[t,v] = dlogp[t] * (1[v = target] - p_v) / temperature. The target's own entry comes from
 * expm1(logp), so it keeps its precision where p is close to 1. Rows that are ignored or have dlogp = 0 get 0
 * and their logits are not read. dlogits has the dtype of logits and may be the same buffer with the same
 * stride. */
typedef struct lap_token_logprobs_backward_args {
  size_t struct_size;
  const void* logits;
  lap_dtype dtype;
  int64_t rows, vocab, row_stride;
  const int32_t* targets;
  int32_t ignore_index;
  float temperature;
  const float* logp;  /* [T], from the forward call */
  const float* lse;   /* [T], from the forward call */
  const float* dlogp; /* [T] */
  void* dlogits;      /* out [T,V], rows dlogits_stride apart */
  int64_t dlogits_stride;
} lap_token_logprobs_backward_args;
LAP_API lap_status lap_token_logprobs_backward(lap_context* ctx,
                                               const lap_token_logprobs_backward_args* args);

/* ---- linear log-probs: hidden [T,H] x weight [V,H] -> the same outputs, [T,V] never held ----
 * Workspace is O(T + tile), from the size query; any alignment will do. */
typedef struct lap_linear_logprobs_args {
  size_t struct_size;
  const void* hidden; /* [T,H], rows hidden_stride apart */
  const void* weight; /* [V,H], rows weight_stride apart */
  lap_dtype dtype;    /* of hidden and weight */
  int64_t rows, vocab, width, hidden_stride, weight_stride;
  const int32_t* targets;
  int32_t ignore_index;
  float temperature;
  float* logp;
  float* lse;
  float* entropy; /* or NULL */
  void* workspace;
  size_t workspace_bytes;
} lap_linear_logprobs_args;
LAP_API lap_status lap_linear_logprobs_workspace(lap_context* ctx, const lap_linear_logprobs_args* args,
                                                 size_t* bytes);
LAP_API lap_status lap_linear_logprobs(lap_context* ctx, const lap_linear_logprobs_args* args);

/* Backward of sum_t dlogp[t] * logp[t] to hidden and weight; both gradients are f32. Rows that are ignored or
 * have dlogp = 0 cost nothing and get dhidden = 0. dweight is overwritten, or added to when
 * accumulate_dweight. */
typedef struct lap_linear_logprobs_backward_args {
  size_t struct_size;
  const void* hidden;
  const void* weight;
  lap_dtype dtype;
  int64_t rows, vocab, width, hidden_stride, weight_stride;
  const int32_t* targets;
  int32_t ignore_index;
  float temperature;
  const float* logp;
  const float* lse;
  const float* dlogp;
  float* dhidden; /* out [T,H] dense, or NULL */
  float* dweight; /* out [V,H] dense, or NULL: frozen head */
  int32_t accumulate_dweight;
  void* workspace;
  size_t workspace_bytes;
} lap_linear_logprobs_backward_args;
LAP_API lap_status lap_linear_logprobs_backward_workspace(lap_context* ctx,
                                                          const lap_linear_logprobs_backward_args* args,
                                                          size_t* bytes);
LAP_API lap_status lap_linear_logprobs_backward(lap_context* ctx,
                                                const lap_linear_logprobs_backward_args* args);

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
#endif /* LAPIDARY_H_ */

#ifndef LAPIDARY_TOKEN_LOGPROBS_H_
#define LAPIDARY_TOKEN_LOGPROBS_H_

#include "lapidary/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- token log-probs: logits [T,V] -> logp, lse, entropy [T] ----
 * z: lap_logit_transform; lse = log sum_v exp(z_v); logp = z_target - lse <= 0;
 * entropy = lse - sum_v p_v z_v (nats; vocabulary entries of -inf count as p = 0).
 * A row whose target equals ignore_index gives logp = lse = entropy = 0 and is not read. */
typedef struct lap_token_logprobs_args {
  size_t struct_size;
  const void* logits; /* [T,V], rows row_stride apart */
  lap_dtype dtype;
  int64_t rows, vocab, row_stride;
  const int32_t* targets; /* [T], each in [0,V) or ignore_index */
  int32_t ignore_index;   /* negative */
  lap_logit_transform transform;
  float* logp;    /* out [T] */
  float* lse;     /* out [T] */
  float* entropy; /* out [T], or NULL */
  int32_t* top1;  /* out [T], or NULL: the most probable entry, the lowest index on ties; -1 on ignored rows
                     and where a NaN leaves none */
} lap_token_logprobs_args;
LAP_API lap_status lap_token_logprobs(lap_context* ctx, const lap_token_logprobs_args* args);

/* Backward of sum_t dlogp[t] logp[t] + dentropy[t] entropy[t]:
 * dlogits[t,v] = [dlogp (1[v = target] - p_v) - dentropy p_v (log p_v + entropy)] dz_v/dlogit_v. The target's
 * own entry comes from expm1(logp), so it keeps its precision where p is close to 1. Rows that are ignored,
 * or whose dlogp and dentropy are both 0, get 0 and their logits are not read. dlogits has the dtype of
 * logits and may be the same buffer with the same stride. */
typedef struct lap_token_logprobs_backward_args {
  size_t struct_size;
  const void* logits;
  lap_dtype dtype;
  int64_t rows, vocab, row_stride;
  const int32_t* targets;
  int32_t ignore_index;
  lap_logit_transform transform;
  const float* logp;  /* [T], from the forward call */
  const float* lse;   /* [T], from the forward call */
  const float* dlogp; /* [T] */
  void* dlogits;      /* out [T,V], rows dlogits_stride apart */
  int64_t dlogits_stride;
  const float* entropy;  /* [T], from the forward call; NULL where dentropy is */
  const float* dentropy; /* [T], or NULL: 0 */
} lap_token_logprobs_backward_args;
LAP_API lap_status lap_token_logprobs_backward(lap_context* ctx,
                                               const lap_token_logprobs_backward_args* args);

/* Forward and gradient in one call, one exponential per logit: dlogits as the backward gives it for
 * dlogp = row_weights. Without row_weights it is the unit gradient, (onehot - softmax) dz/dlogit, whose
 * weights may be folded into the next matrix product once they are known (deferred row weights). Rows of
 * weight 0 have their logp and get 0; ignored rows are not read. In place as the backward. Workspace, from
 * the size query: a row of floats per thread for 16-bit logits, next to nothing for f32. */
typedef struct lap_token_logprobs_with_gradient_args {
  size_t struct_size;
  const void* logits;
  lap_dtype dtype;
  int64_t rows, vocab, row_stride;
  const int32_t* targets;
  int32_t ignore_index;
  lap_logit_transform transform;
  const float* row_weights; /* [T], or NULL: 1 */
  float* logp;              /* out [T] */
  float* lse;               /* out [T] */
  float* entropy;           /* out [T], or NULL */
  void* dlogits;            /* out [T,V], rows dlogits_stride apart */
  int64_t dlogits_stride;
  void* workspace;
  size_t workspace_bytes;
} lap_token_logprobs_with_gradient_args;
LAP_API lap_status lap_token_logprobs_with_gradient_workspace(
    lap_context* ctx, const lap_token_logprobs_with_gradient_args* args, size_t* bytes);
LAP_API lap_status lap_token_logprobs_with_gradient(lap_context* ctx,
                                                    const lap_token_logprobs_with_gradient_args* args);

#ifdef __cplusplus
}
#endif
#endif /* LAPIDARY_TOKEN_LOGPROBS_H_ */

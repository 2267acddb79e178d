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
  lap_logit_transform transform;
  const float* logp;  /* [T], from the forward call */
  const float* lse;   /* [T], from the forward call */
  const float* dlogp; /* [T] */
  void* dlogits;      /* out [T,V], rows dlogits_stride apart */
  int64_t dlogits_stride;
} lap_token_logprobs_backward_args;
LAP_API lap_status lap_token_logprobs_backward(lap_context* ctx,
                                               const lap_token_logprobs_backward_args* args);

#ifdef __cplusplus
}
#endif
#endif /* LAPIDARY_TOKEN_LOGPROBS_H_ */

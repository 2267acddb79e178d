#ifndef LAPIDARY_LINEAR_LOGPROBS_H_
#define LAPIDARY_LINEAR_LOGPROBS_H_

#include "lapidary/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- linear log-probs: hidden [T,H] x weight [V,H] -> the same outputs, [T,V] held only on request ----
 * Workspace is O(T + tile), from the size query; any alignment will do. Ignored rows are not read and cost
 * nothing.
 * `kept` asks for the logits to be kept, which spares the backward its first product: 6 T H V operations for
 * both passes together instead of 8 T H V. Its layout is not part of the interface;
 * lap_linear_logprobs_kept_bytes says how large it is, never more than 4 bytes times T rounded up to 32 times
 * V + 63. */
typedef struct lap_linear_logprobs_args {
  size_t struct_size;
  const void* hidden; /* [T,H], rows hidden_stride apart */
  const void* weight; /* [V,H], rows weight_stride apart */
  lap_dtype dtype;    /* of hidden and weight */
  int64_t rows, vocab, width, hidden_stride, weight_stride;
  const int32_t* targets;
  int32_t ignore_index;
  lap_logit_transform transform;
  float* logp;
  float* lse;
  float* entropy; /* or NULL */
  int32_t* top1;  /* or NULL */
  void* kept;     /* out, for the backward of the same call; or NULL */
  size_t kept_bytes;
  void* workspace;
  size_t workspace_bytes;
} lap_linear_logprobs_args;
LAP_API lap_status lap_linear_logprobs_workspace(lap_context* ctx, const lap_linear_logprobs_args* args,
                                                 size_t* bytes);
/* Bytes of `kept` for `rows` rows, of which fewer are used where some are ignored. */
LAP_API lap_status lap_linear_logprobs_kept_bytes(lap_context* ctx, int64_t rows, int64_t vocab,
                                                  size_t* bytes);
LAP_API lap_status lap_linear_logprobs(lap_context* ctx, const lap_linear_logprobs_args* args);

/* Backward of sum_t dlogp[t] * logp[t] to hidden and weight; both gradients are f32. Rows that are ignored or
 * have dlogp = 0 get dhidden = 0 and are not read; without `kept` they cost nothing. dweight is overwritten,
 * or added to when accumulate_dweight. With `kept` from the forward over the same hidden, weight, targets and
 * transform in the same context the logits are not computed again. */
typedef struct lap_linear_logprobs_backward_args {
  size_t struct_size;
  const void* hidden;
  const void* weight;
  lap_dtype dtype;
  int64_t rows, vocab, width, hidden_stride, weight_stride;
  const int32_t* targets;
  int32_t ignore_index;
  lap_logit_transform transform;
  const float* logp;
  const float* lse;
  const float* dlogp;
  float* dhidden; /* out [T,H] dense, or NULL */
  float* dweight; /* out [V,H] dense, or NULL: frozen head */
  int32_t accumulate_dweight;
  const void* kept; /* or NULL */
  size_t kept_bytes;
  void* workspace;
  size_t workspace_bytes;
} lap_linear_logprobs_backward_args;
LAP_API lap_status lap_linear_logprobs_backward_workspace(lap_context* ctx,
                                                          const lap_linear_logprobs_backward_args* args,
                                                          size_t* bytes);
LAP_API lap_status lap_linear_logprobs_backward(lap_context* ctx,
                                                const lap_linear_logprobs_backward_args* args);

#ifdef __cplusplus
}
#endif
#endif /* LAPIDARY_LINEAR_LOGPROBS_H_ */

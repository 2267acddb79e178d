#ifndef LAPIDARY_DIVERGENCE_H_
#define LAPIDARY_DIVERGENCE_H_

#include "lapidary/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- divergence: student and teacher logits [T,V] -> a divergence of their softmaxes per row [T], nats ----
 * s and t are the softmaxes of the transformed rows, m = beta t + (1 - beta) s. */
typedef enum lap_divergence_kind LAP_INT_ENUM {
  LAP_DIVERGENCE_FORWARD_KL = 0, /* KL(t||s) = sum_v t log(t / s) */
  LAP_DIVERGENCE_REVERSE_KL = 1, /* KL(s||t) */
  LAP_DIVERGENCE_JSD = 2 /* beta KL(t||m) + (1 - beta) KL(s||m), arXiv 2306.13649, as TRL's GKD has it */
} lap_divergence_kind;

/* Entries of -inf have probability 0 and add 0 where they are the weight; KL(t||s) is +inf where t > 0 and
 * s = 0, and the reverse likewise. A row that holds NaN or +inf, or nothing but -inf, gives NaN. Small
 * divergences keep their relative accuracy where both rows have the same transform (with a softcap above 1e-7
 * nats); equal rows of one type give exactly 0. */
typedef struct lap_divergence_args {
  size_t struct_size;
  lap_divergence_kind kind;
  float beta; /* in (0,1) for the JSD; not read otherwise */
  int64_t rows, vocab;
  const void* student; /* [T,V], rows student_stride apart */
  lap_dtype student_dtype;
  int64_t student_stride;
  lap_logit_transform student_transform;
  const void* teacher; /* [T,V], rows teacher_stride apart; its own type, stride and transform */
  lap_dtype teacher_dtype;
  int64_t teacher_stride;
  lap_logit_transform teacher_transform;
  const uint8_t* mask; /* [T], or NULL: all kept. Rows of 0 are not read and give 0 */
  float* value;        /* out [T] */
} lap_divergence_args;
LAP_API lap_status lap_divergence(lap_context* ctx, const lap_divergence_args* args);

/* The same with dstudent[t,v] = row_weights[t] dvalue[t]/dstudent[t,v]; the teacher gets no gradient. Masked
 * rows and rows of weight 0 get 0. A reverse KL of +inf has no gradient: NaN where s > 0. */
typedef struct lap_divergence_with_gradient_args {
  size_t struct_size;
  lap_divergence_kind kind;
  float beta;
  int64_t rows, vocab;
  const void* student;
  lap_dtype student_dtype;
  int64_t student_stride;
  lap_logit_transform student_transform;
  const void* teacher;
  lap_dtype teacher_dtype;
  int64_t teacher_stride;
  lap_logit_transform teacher_transform;
  const uint8_t* mask;
  float* value;
  const float* row_weights; /* [T], or NULL: 1 */
  void* dstudent; /* out [T,V] of the student's type; may be its buffer, with the same stride then */
  int64_t dstudent_stride;
} lap_divergence_with_gradient_args;
LAP_API lap_status lap_divergence_with_gradient(lap_context* ctx,
                                                const lap_divergence_with_gradient_args* args);

#ifdef __cplusplus
}
#endif
#endif /* LAPIDARY_DIVERGENCE_H_ */

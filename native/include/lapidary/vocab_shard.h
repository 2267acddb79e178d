#ifndef LAPIDARY_VOCAB_SHARD_H_
#define LAPIDARY_VOCAB_SHARD_H_

#include "lapidary/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- vocabulary-parallel token log-probs: a rank has the columns [begin, begin + V) of the logits ----
 * 1. lap_vocab_shard_stats on every rank; 2. every rank's stats to all ranks, in the order of ranks, by
 * whatever transport (40 bytes a token and rank); 3. lap_vocab_shard_merge, which gives the same bits on
 * every rank;
 * 4. lap_vocab_shard_backward on every rank, for its own columns. z, lse, logp and entropy as in
 * token_logprobs.h. */
typedef struct lap_vocab_stats {
  double max;      /* of z over the shard's entries without the target; -inf where there are none */
  double sum;      /* sum exp(z - max) */
  double weighted; /* sum exp(z - max) (z - max); NaN where the entropy is not wanted */
  double target;   /* z of the target where this shard holds it, else 0 */
  double held;     /* 1 where it does, 0 where another shard does, -1 on ignored rows */
} lap_vocab_stats;

typedef struct lap_vocab_shard_stats_args {
  size_t struct_size;
  const void* logits; /* [T,V], rows row_stride apart */
  lap_dtype dtype;
  int64_t rows, vocab, row_stride;
  int64_t begin;          /* the first column's place in the whole vocabulary; begin + V <= 2^31 */
  const int32_t* targets; /* [T], of the whole vocabulary: 0 or more, or ignore_index */
  int32_t ignore_index;   /* negative */
  int32_t want_entropy;   /* 0 or 1 */
  lap_logit_transform transform;
  lap_vocab_stats* stats; /* out [T] */
} lap_vocab_shard_stats_args;
LAP_API lap_status lap_vocab_shard_stats(lap_context* ctx, const lap_vocab_shard_stats_args* args);

/* A target must be held by exactly one shard, and a row ignored by all or none: anything else is an error. */
typedef struct lap_vocab_shard_merge_args {
  size_t struct_size;
  int64_t shards, rows;         /* shards: 1 or more */
  const lap_vocab_stats* stats; /* [shards,T] */
  float* logp;                  /* out [T] */
  float* lse;                   /* out [T] */
  float* lse_low;               /* out [T]: what lse has lost to its rounding; the backward needs it */
  float* entropy;               /* out [T], or NULL */
} lap_vocab_shard_merge_args;
LAP_API lap_status lap_vocab_shard_merge(lap_context* ctx, const lap_vocab_shard_merge_args* args);

/* The shard's columns of what lap_token_logprobs_backward gives for the whole rows. */
typedef struct lap_vocab_shard_backward_args {
  size_t struct_size;
  const void* logits;
  lap_dtype dtype;
  int64_t rows, vocab, row_stride;
  int64_t begin;
  const int32_t* targets;
  int32_t ignore_index;
  lap_logit_transform transform;
  const float* logp;    /* [T], these three from the merge */
  const float* lse;     /* [T] */
  const float* lse_low; /* [T] */
  const float* dlogp;   /* [T] */
  void* dlogits;        /* out [T,V], rows dlogits_stride apart; may be the logits, with their stride */
  int64_t dlogits_stride;
  const float* entropy;  /* [T], from the merge; NULL where dentropy is */
  const float* dentropy; /* [T], or NULL: 0 */
} lap_vocab_shard_backward_args;
LAP_API lap_status lap_vocab_shard_backward(lap_context* ctx, const lap_vocab_shard_backward_args* args);

#ifdef __cplusplus
}
#endif
#endif /* LAPIDARY_VOCAB_SHARD_H_ */

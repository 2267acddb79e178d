#include "cpu/vocab_shard.h"

#include "capi/guarded.h"
#include "capi/vocab_shard_checks.h"

using namespace lapidary;

lap_status lap_vocab_shard_stats(lap_context* ctx, const lap_vocab_shard_stats_args* args) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check_vocab_shard(args, true));
    return vocab_shard_stats(ctx->pool, *ctx->cpu, *args);
  });
}

lap_status lap_vocab_shard_merge(lap_context* ctx, const lap_vocab_shard_merge_args* args) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check_vocab_shard(args, true));
    return vocab_shard_merge(ctx->pool, *args);
  });
}

lap_status lap_vocab_shard_backward(lap_context* ctx, const lap_vocab_shard_backward_args* args) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check_vocab_shard(args, true));
    return vocab_shard_backward(ctx->pool, *ctx->cpu, *args);
  });
}

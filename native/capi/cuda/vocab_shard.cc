#include "cuda/vocab_shard.h"

#include "capi/cuda/context.h"
#include "capi/vocab_shard_checks.h"

using namespace lapidary;

lap_status lap_cuda_vocab_shard_stats(lap_cuda_context* ctx, const lap_vocab_shard_stats_args* args) {
  return cuda::launch_checked(ctx, args, check_vocab_shard, cuda::vocab_shard_stats);
}
lap_status lap_cuda_vocab_shard_merge(lap_cuda_context* ctx, const lap_vocab_shard_merge_args* args) {
  return cuda::launch_checked(ctx, args, check_vocab_shard, cuda::vocab_shard_merge);
}
lap_status lap_cuda_vocab_shard_backward(lap_cuda_context* ctx, const lap_vocab_shard_backward_args* args) {
  return cuda::launch_checked(ctx, args, check_vocab_shard, cuda::vocab_shard_backward);
}

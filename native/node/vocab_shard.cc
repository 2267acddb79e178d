// The vocabulary-parallel log-probs as JS functions: (arguments, cancel?) -> undefined or a promise of it.
#include "node/calls.h"
#include "node/kernels.h"

namespace lapidary::node {
namespace {

constexpr int64_t kStats = sizeof(lap_vocab_stats) / sizeof(double);

template <class Args>
void read_shard(Arguments& in, Args* args) {
  read_logits(in, args);
  args->begin = in.integer("begin");
}

Napi::Value vocab_shard_stats(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    Arguments& in = job.arguments;
    lap_vocab_shard_stats_args args{};
    read_shard(in, &args);
    args.want_entropy = in.boolean("wantEntropy");
    args.stats = reinterpret_cast<lap_vocab_stats*>(in.double_output("stats", kStats * args.rows));
    return call(job, {lap_vocab_shard_stats, &CudaObject::vocab_shard_stats}, args);
  });
}

Napi::Value vocab_shard_merge(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    Arguments& in = job.arguments;
    lap_vocab_shard_merge_args args{};
    args.struct_size = sizeof args;
    args.shards = in.integer("shards");
    args.rows = in.integer("rows");
    int64_t count = 0;
    if (args.shards < 0 || args.rows < 0 || !multiply_checked(args.shards, args.rows, &count) ||
        count > INT64_MAX / kStats)
      throw_argument(in.env(), "shards and rows are more than can be counted");
    args.stats = reinterpret_cast<const lap_vocab_stats*>(in.doubles("stats", kStats * count));
    args.logp = in.float_output("logp", args.rows);
    args.lse = in.float_output("lse", args.rows);
    args.lse_low = in.float_output("lseLow", args.rows);
    args.entropy = in.optional_float_output("entropy", args.rows);
    return call(job, {lap_vocab_shard_merge, &CudaObject::vocab_shard_merge}, args);
  });
}

Napi::Value vocab_shard_backward(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    Arguments& in = job.arguments;
    lap_vocab_shard_backward_args args{};
    read_shard(in, &args);
    args.lse_low = in.floats("lseLow", args.rows);
    read_backward(in, &args);
    return call(job, {lap_vocab_shard_backward, &CudaObject::vocab_shard_backward}, args);
  });
}

}  // namespace

void export_vocab_shard(Napi::Env env, Napi::Object exports) {
  exports.Set("vocabShardStats", Napi::Function::New(env, vocab_shard_stats));
  exports.Set("vocabShardMerge", Napi::Function::New(env, vocab_shard_merge));
  exports.Set("vocabShardBackward", Napi::Function::New(env, vocab_shard_backward));
}

}  // namespace lapidary::node

// The linear log-probs as JS functions: (arguments, cancel?) -> undefined or a promise of it.
#include "node/calls.h"
#include "node/kernels.h"

namespace lapidary::node {
namespace {

template <class Args>
void read_linear(Arguments& in, Args* args) {
  read_rows(in, args);
  args->width = in.integer("width");
  args->hidden_stride = in.integer("hiddenStride");
  args->weight_stride = in.integer("weightStride");
  args->hidden = in.matrix("hidden", args->dtype, extent(in, args->rows, args->hidden_stride, args->width));
  args->weight = in.matrix("weight", args->dtype, extent(in, args->vocab, args->weight_stride, args->width));
}

Napi::Value linear_logprobs(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    Arguments& in = job.arguments;
    lap_linear_logprobs_args args{};
    read_linear(in, &args);
    args.logp = in.float_output("logp", args.rows);
    args.lse = in.float_output("lse", args.rows);
    args.entropy = in.optional_float_output("entropy", args.rows);
    args.top1 = in.has("top1") ? in.int_output("top1", args.rows) : nullptr;
    if (in.has("kept")) {
      const int64_t count = in.integer("keptCount");
      args.kept = in.float_output("kept", count);
      args.kept_bytes = static_cast<size_t>(count) * sizeof(float);
    }
    return call(job,
                {lap_linear_logprobs, &CudaObject::linear_logprobs, lap_linear_logprobs_workspace,
                 &CudaObject::linear_logprobs_workspace},
                args);
  });
}

Napi::Value linear_logprobs_backward(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    Arguments& in = job.arguments;
    lap_linear_logprobs_backward_args args{};
    read_linear(in, &args);
    args.logp = in.floats("logp", args.rows);
    args.lse = in.floats("lse", args.rows);
    args.dlogp = in.floats("dlogp", args.rows);
    args.dhidden = in.optional_float_output("dhidden", extent(in, args.rows, args.width, args.width));
    args.dweight = in.optional_float_output("dweight", extent(in, args.vocab, args.width, args.width));
    args.accumulate_dweight = in.boolean("accumulate");
    if (in.has("kept")) {
      const int64_t count = in.integer("keptCount");
      args.kept = in.floats("kept", count);
      args.kept_bytes = static_cast<size_t>(count) * sizeof(float);
    }
    return call(job,
                {lap_linear_logprobs_backward, &CudaObject::linear_logprobs_backward,
                 lap_linear_logprobs_backward_workspace, &CudaObject::linear_logprobs_backward_workspace},
                args);
  });
}

}  // namespace

void export_linear_logprobs(Napi::Env env, Napi::Object exports) {
  exports.Set("linearLogprobs", Napi::Function::New(env, linear_logprobs));
  exports.Set("linearLogprobsBackward", Napi::Function::New(env, linear_logprobs_backward));
}

}  // namespace lapidary::node

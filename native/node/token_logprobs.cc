// The token log-probs as JS functions: (arguments, cancel?) -> undefined or a promise of it.
#include "node/calls.h"
#include "node/kernels.h"

namespace lapidary::node {
namespace {

Napi::Value token_logprobs(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    Arguments& in = job.arguments;
    lap_token_logprobs_args args{};
    read_logits(in, &args);
    args.logp = in.float_output("logp", args.rows);
    args.lse = in.float_output("lse", args.rows);
    args.entropy = in.optional_float_output("entropy", args.rows);
    args.top1 = in.has("top1") ? in.int_output("top1", args.rows) : nullptr;
    return call(job, {lap_token_logprobs, &CudaObject::token_logprobs}, args);
  });
}

Napi::Value token_logprobs_backward(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    Arguments& in = job.arguments;
    lap_token_logprobs_backward_args args{};
    read_logits(in, &args);
    read_backward(in, &args);
    return call(job, {lap_token_logprobs_backward, &CudaObject::token_logprobs_backward}, args);
  });
}

Napi::Value token_logprobs_with_gradient(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    Arguments& in = job.arguments;
    lap_token_logprobs_with_gradient_args args{};
    read_logits(in, &args);
    args.row_weights = in.optional_floats("rowWeights", args.rows);
    args.logp = in.float_output("logp", args.rows);
    args.lse = in.float_output("lse", args.rows);
    args.entropy = in.optional_float_output("entropy", args.rows);
    read_dlogits(in, &args);
    return call(job,
                {lap_token_logprobs_with_gradient, &CudaObject::token_logprobs_with_gradient,
                 lap_token_logprobs_with_gradient_workspace},
                args);
  });
}

}  // namespace

void export_token_logprobs(Napi::Env env, Napi::Object exports) {
  exports.Set("tokenLogprobs", Napi::Function::New(env, token_logprobs));
  exports.Set("tokenLogprobsBackward", Napi::Function::New(env, token_logprobs_backward));
  exports.Set("tokenLogprobsWithGradient", Napi::Function::New(env, token_logprobs_with_gradient));
}

}  // namespace lapidary::node

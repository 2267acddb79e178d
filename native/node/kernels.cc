// The kernel operations as JS functions: (arguments, cancel?) -> undefined or a promise of it. No maths here.
#include "node/kernels.h"

#include <memory>
#include <new>

#include "core/checked.h"
#include "node/environment.h"

namespace lapidary::node {
namespace {

lap_dtype dtype_of(const Arguments& in) {
  const std::string name = in.text("dtype");
  if (name == "f32") return LAP_F32;
  if (name == "bf16") return LAP_BF16;
  throw_argument(in.env(), "dtype is \"" + name + "\"; expected \"f32\" or \"bf16\"");
}

// Elements that [rows, columns] with this stride touches; a size that does not fit is an argument error.
int64_t extent(const Arguments& in, int64_t rows, int64_t stride, int64_t columns) {
  if (rows <= 0 || columns <= 0) return 0;
  int64_t elements = 0;
  if (stride < columns || !multiply_checked(rows - 1, stride, &elements) || elements > INT64_MAX / 2) {
    throw_argument(in.env(), "a matrix of " + std::to_string(rows) + " rows, " + std::to_string(stride) +
                                 " elements apart and " + std::to_string(columns) + " wide, is not possible");
  }
  return elements + columns;
}

// A C call with the job's cancel flag set; its status as ours.
template <class Args>
Status run(lap_context* ctx, const int32_t* cancel, lap_status (*function)(lap_context*, const Args*),
           const Args& args) {
  lap_context_set_cancel(ctx, cancel);
  const lap_status code = function(ctx, &args);
  lap_context_set_cancel(ctx, nullptr);
  return {code, lap_error_message(ctx)};
}

// Wraps a C call as a job's work, which holds the context. The context is looked up when the job runs, since
// it may have been replaced after the call was queued.
template <class Args>
std::function<Status(const int32_t*)> call(Environment& owner,
                                           lap_status (*function)(lap_context*, const Args*),
                                           const Args& args) {
  return [&owner, function, args](const int32_t* cancel) -> Status {
    std::lock_guard<std::mutex> lock(owner.context_mutex);
    return run(owner.context, cancel, function, args);
  };
}

// The same for a call that needs a workspace. Its size depends on the context, so it is asked for when the
// job runs; asking when it is queued would make the event loop wait for the job that holds the context.
template <class Args>
std::function<Status(const int32_t*)> call(Environment& owner,
                                           lap_status (*function)(lap_context*, const Args*),
                                           lap_status (*query)(lap_context*, const Args*, size_t*),
                                           const Args& args) {
  return [&owner, function, query, args](const int32_t* cancel) -> Status {
    std::lock_guard<std::mutex> lock(owner.context_mutex);
    Args own = args;
    const lap_status code = query(owner.context, &own, &own.workspace_bytes);
    if (code != LAP_OK) return {code, lap_error_message(owner.context)};
    std::unique_ptr<unsigned char[]> workspace(new (std::nothrow) unsigned char[own.workspace_bytes]);
    if (workspace == nullptr)
      return out_of_memory("a workspace of " + std::to_string(own.workspace_bytes) + " bytes");
    own.workspace = workspace.get();
    return run(owner.context, cancel, function, own);
  };
}

template <class Args>
void read_rows(Arguments& in, Args* args) {
  args->struct_size = sizeof *args;
  args->dtype = dtype_of(in);
  args->rows = in.integer("rows");
  args->vocab = in.integer("vocab");
  args->ignore_index = in.int32("ignoreIndex");
  args->temperature = static_cast<float>(in.number("temperature"));
  args->targets = in.ints("targets", args->rows);
}

template <class Args>
void read_linear(Arguments& in, Args* args) {
  read_rows(in, args);
  args->width = in.integer("width");
  args->hidden_stride = in.integer("hiddenStride");
  args->weight_stride = in.integer("weightStride");
  args->hidden = in.matrix("hidden", args->dtype, extent(in, args->rows, args->hidden_stride, args->width));
  args->weight = in.matrix("weight", args->dtype, extent(in, args->vocab, args->weight_stride, args->width));
}

Napi::Value token_logprobs(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    Arguments& in = job.arguments;
    Environment& owner = environment(info.Env());
    owner.kernels(info.Env());
    lap_token_logprobs_args args{};
    read_rows(in, &args);
    args.row_stride = in.integer("rowStride");
    args.logits = in.matrix("logits", args.dtype, extent(in, args.rows, args.row_stride, args.vocab));
    args.logp = in.float_output("logp", args.rows);
    args.lse = in.float_output("lse", args.rows);
    args.entropy = in.optional_float_output("entropy", args.rows);
    return call(owner, lap_token_logprobs, args);
  });
}

Napi::Value token_logprobs_backward(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    Arguments& in = job.arguments;
    Environment& owner = environment(info.Env());
    owner.kernels(info.Env());
    lap_token_logprobs_backward_args args{};
    read_rows(in, &args);
    args.row_stride = in.integer("rowStride");
    args.dlogits_stride = in.integer("dlogitsStride");
    args.logits = in.matrix("logits", args.dtype, extent(in, args.rows, args.row_stride, args.vocab));
    args.logp = in.floats("logp", args.rows);
    args.lse = in.floats("lse", args.rows);
    args.dlogp = in.floats("dlogp", args.rows);
    args.dlogits =
        in.matrix_output("dlogits", args.dtype, extent(in, args.rows, args.dlogits_stride, args.vocab));
    return call(owner, lap_token_logprobs_backward, args);
  });
}

Napi::Value linear_logprobs(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    Arguments& in = job.arguments;
    Environment& owner = environment(info.Env());
    owner.kernels(info.Env());
    lap_linear_logprobs_args args{};
    read_linear(in, &args);
    args.logp = in.float_output("logp", args.rows);
    args.lse = in.float_output("lse", args.rows);
    args.entropy = in.optional_float_output("entropy", args.rows);
    return call(owner, lap_linear_logprobs, lap_linear_logprobs_workspace, args);
  });
}

Napi::Value linear_logprobs_backward(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    Arguments& in = job.arguments;
    Environment& owner = environment(info.Env());
    owner.kernels(info.Env());
    lap_linear_logprobs_backward_args args{};
    read_linear(in, &args);
    args.logp = in.floats("logp", args.rows);
    args.lse = in.floats("lse", args.rows);
    args.dlogp = in.floats("dlogp", args.rows);
    args.dhidden = in.optional_float_output("dhidden", extent(in, args.rows, args.width, args.width));
    args.dweight = in.optional_float_output("dweight", extent(in, args.vocab, args.width, args.width));
    args.accumulate_dweight = in.boolean("accumulate");
    return call(owner, lap_linear_logprobs_backward, lap_linear_logprobs_backward_workspace, args);
  });
}

lap_objective read_objective(const Arguments& in) {
  lap_objective objective{};
  objective.struct_size = sizeof objective;
  objective.gate = static_cast<lap_gate>(in.int32("gate"));
  objective.ratio_anchor = static_cast<lap_anchor>(in.int32("ratioAnchor"));
  objective.clip_low = static_cast<float>(in.number("clipLow"));
  objective.clip_high = static_cast<float>(in.number("clipHigh"));
  objective.sequence_term = static_cast<lap_sequence_term>(in.int32("sequenceTerm"));
  objective.sequence_anchor = static_cast<lap_anchor>(in.int32("sequenceAnchor"));
  objective.tau = static_cast<float>(in.number("tau"));
  return objective;
}

using LossFunction = lap_status (*)(lap_context*, const lap_policy_loss_args*);

// The three entry points read the same arguments; a phase that does not use one gets it as absent.
template <LossFunction Function, bool kReduces, bool kMaps>
Napi::Value policy_loss(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    Arguments& in = job.arguments;
    Environment& owner = environment(info.Env());
    owner.kernels(info.Env());
    lap_policy_loss_args args{};
    args.struct_size = sizeof args;
    args.objective = read_objective(in);
    args.tokens = in.integer("tokens");
    args.sequences = in.integer("sequences");
    args.cu_seqlens = in.offsets("cuSeqlens", args.sequences + 1);
    args.logp = in.floats("logp", args.tokens);
    args.old_logp = in.optional_floats("oldLogp", args.tokens);
    args.behaviour_logp = in.optional_floats("behaviourLogp", args.tokens);
    args.ref_logp = in.optional_floats("refLogp", args.tokens);
    args.mask = in.optional_bytes("mask", args.tokens);
    // The map phase alone only reads them.
    double* stats = kReduces ? in.double_output("stats", 2 * args.sequences)
                             : const_cast<double*>(in.doubles("stats", 2 * args.sequences));
    args.stats = reinterpret_cast<lap_sequence_stats*>(stats);
    if (kMaps) {
      args.advantages = in.floats("advantages", args.sequences);
      args.seq_scale = in.floats("seqScale", args.sequences);
      args.token_weights = in.optional_floats("tokenWeights", args.tokens);
      args.dlogp = in.float_output("dlogp", args.tokens);
      args.diagnostics = in.double_output("diagnostics", LAP_DIAG_COUNT);
    }
    return kMaps ? call(owner, Function, lap_policy_loss_workspace, args) : call(owner, Function, args);
  });
}

}  // namespace

void export_kernels(Napi::Env env, Napi::Object exports) {
  exports.Set("tokenLogprobs", Napi::Function::New(env, token_logprobs));
  exports.Set("tokenLogprobsBackward", Napi::Function::New(env, token_logprobs_backward));
  exports.Set("linearLogprobs", Napi::Function::New(env, linear_logprobs));
  exports.Set("linearLogprobsBackward", Napi::Function::New(env, linear_logprobs_backward));
  exports.Set("policyLoss", Napi::Function::New(env, policy_loss<lap_policy_loss, true, true>));
  exports.Set("policyLossReduce", Napi::Function::New(env, policy_loss<lap_policy_loss_reduce, true, false>));
  exports.Set("policyLossMap", Napi::Function::New(env, policy_loss<lap_policy_loss_map, false, true>));
}

}  // namespace lapidary::node

// The policy loss as JS functions: (arguments, cancel?) -> undefined or a promise of it.
#include "node/calls.h"
#include "node/kernels.h"

namespace lapidary::node {
namespace {

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

void export_policy_loss(Napi::Env env, Napi::Object exports) {
  exports.Set("policyLoss", Napi::Function::New(env, policy_loss<lap_policy_loss, true, true>));
  exports.Set("policyLossReduce", Napi::Function::New(env, policy_loss<lap_policy_loss_reduce, true, false>));
  exports.Set("policyLossMap", Napi::Function::New(env, policy_loss<lap_policy_loss_map, false, true>));
}

}  // namespace lapidary::node

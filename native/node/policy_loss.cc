// The policy loss as JS functions: (arguments, cancel?) -> undefined or a promise of it.
#include "node/calls.h"
#include "node/kernels.h"

namespace lapidary::node {
namespace {

// Numbers of the objective. Those that every call names must be there; of the rest, one that is absent is 0.
struct Fields {
  const Arguments& in;
  float real(const char* name) const { return in.has(name) ? static_cast<float>(in.number(name)) : 0.f; }
  int32_t whole(const char* name) const { return in.has(name) ? in.int32(name) : 0; }
  float given(const char* name) const { return static_cast<float>(in.number(name)); }
  template <class Enum>
  void read_given(const char* name, Enum* out) const {
    *out = static_cast<Enum>(in.int32(name));
  }
  template <class Enum>
  void read(const char* name, Enum* out) const {
    *out = static_cast<Enum>(whole(name));
  }
};

void read_gate(const Fields& in, lap_objective* to) {
  in.read_given("gate", &to->gate);
  in.read_given("ratioAnchor", &to->ratio_anchor);
  in.read("ratioLevel", &to->ratio_level);
  in.read("throughToken", &to->through_token);
  to->clip_low = in.given("clipLow");
  to->clip_high = in.given("clipHigh");
  to->dual_clip = in.real("dualClip");
  to->ratio_cap = in.real("ratioCap");
  to->positive[0] = in.real("positiveLow");
  to->positive[1] = in.real("positiveHigh");
  to->negative[0] = in.real("negativeLow");
  to->negative[1] = in.real("negativeHigh");
  to->geometric_low = in.real("geometricLow");
  to->geometric_high = in.real("geometricHigh");
  to->nft_floor = in.real("nftFloor");
  to->nft_omega = in.real("nftOmega");
  in.read("tokenMask", &to->token_mask);
  in.read("maskAnchor", &to->mask_anchor);
  to->mask_low = in.real("maskLow");
  to->mask_high = in.real("maskHigh");
  to->sequence_mask = in.real("sequenceMask");
}

void read_terms(const Fields& in, lap_objective* to) {
  in.read("importance", &to->importance);
  in.read("importanceLevel", &to->importance_level);
  in.read("importanceOutside", &to->importance_outside);
  to->importance_low = in.real("importanceLow");
  to->importance_high = in.real("importanceHigh");
  in.read("kl", &to->kl);
  in.read("klGradient", &to->kl_gradient);
  in.read("klAnchor", &to->kl_anchor);
  in.read("klRatioAnchor", &to->kl_ratio_anchor);
  to->kl_coefficient = in.real("klCoefficient");
  to->kl_input_bound = in.real("klInputBound");
  to->kl_output_bound = in.real("klOutputBound");
  in.read_given("sequenceTerm", &to->sequence_term);
  in.read_given("sequenceAnchor", &to->sequence_anchor);
  in.read("sequenceMean", &to->sequence_mean);
  to->tau = in.given("tau");
  to->smoothing = in.real("smoothing");
  to->margin = in.real("margin");
  to->kto_z0 = in.real("ktoZ0");
  to->kto_desirable = in.real("ktoDesirable");
  to->kto_undesirable = in.real("ktoUndesirable");
}

lap_objective read_objective(const Arguments& in) {
  lap_objective objective{};
  objective.struct_size = sizeof objective;
  read_gate({in}, &objective);
  read_terms({in}, &objective);
  return objective;
}

constexpr int64_t kStats = sizeof(lap_sequence_stats) / sizeof(double);

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
    if (in.has("rowStride")) {
      args.row_stride = in.integer("rowStride");
      if (in.has("lengths")) args.lengths = in.offsets("lengths", args.sequences);
    } else {
      args.cu_seqlens = in.offsets("cuSeqlens", args.sequences + 1);
    }
    args.logp = in.floats("logp", args.tokens);
    args.old_logp = in.optional_floats("oldLogp", args.tokens);
    args.behaviour_logp = in.optional_floats("behaviourLogp", args.tokens);
    args.ref_logp = in.optional_floats("refLogp", args.tokens);
    args.mask = in.optional_bytes("mask", args.tokens);
    // The map phase alone only reads them.
    double* stats = kReduces ? in.double_output("stats", kStats * args.sequences)
                             : const_cast<double*>(in.doubles("stats", kStats * args.sequences));
    args.stats = reinterpret_cast<lap_sequence_stats*>(stats);
    if (kMaps || in.has("advantages")) args.advantages = in.floats("advantages", args.sequences);
    if (kMaps) {
      args.token_advantages = in.optional_floats("tokenAdvantages", args.tokens);
      args.nft_quality = in.optional_floats("nftQuality", args.sequences);
      if (in.has("pairs")) {
        args.pair_count = in.integer("pairCount");
        args.pairs = in.offsets("pairs", 2 * args.pair_count);
      }
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

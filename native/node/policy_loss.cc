// The policy loss as JS functions: (arguments, cancel?) -> undefined or a promise of it.
#include "capi/policy_loss_checks.h"
#include "node/calls.h"
#include "node/kernels.h"
#include "objective/sequence_term.h"

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

using LossArguments = lap_policy_loss_args;

void read_layout(Arguments& in, LossArguments* args) {
  args->tokens = in.integer("tokens");
  args->sequences = in.integer("sequences");
  if (in.has("rowStride")) {
    args->row_stride = in.integer("rowStride");
    if (in.has("lengths")) args->lengths = in.offsets("lengths", args->sequences);
  } else {
    args->cu_seqlens = in.offsets("cuSeqlens", args->sequences + 1);
  }
}

void read_pairs(Arguments& in, LossArguments* args) {
  if (!in.has("pairs")) return;
  args->pair_count = in.integer("pairCount");
  args->pairs = in.offsets("pairs", 2 * args->pair_count);
}

// Indices still lie on the host here, so that a call on a device refuses what one on the CPU does.
void send_indices(Arguments& in, LossArguments* args, bool maps) {
  Status status = check_layout(*args, true);
  if (status.ok() && maps && is_pair_term(args->objective.sequence_term)) status = check_pairs(*args, true);
  if (!status.ok()) throw to_error(in.env(), status);
  args->cu_seqlens = in.on_device(args->cu_seqlens, args->sequences + 1);
  args->lengths = in.on_device(args->lengths, args->sequences);
  args->pairs = in.on_device(args->pairs, 2 * args->pair_count);
}

// Where the sums of phase one are. Both phases in one call on a device need not show them to anybody; the map
// phase alone only reads them.
double* read_stats(Arguments& in, int64_t sequences, bool reduces) {
  const int64_t count = kStats * sequences;
  if (in.cuda() != nullptr && !in.has("stats")) {
    return static_cast<double*>(in.device_scratch(static_cast<size_t>(count) * sizeof(double)));
  }
  return reduces ? in.double_output("stats", count) : const_cast<double*>(in.doubles("stats", count));
}

void read_map(Arguments& in, LossArguments* args) {
  args->token_advantages = in.optional_floats("tokenAdvantages", args->tokens);
  args->nft_quality = in.optional_floats("nftQuality", args->sequences);
  args->seq_scale = in.floats("seqScale", args->sequences);
  args->token_weights = in.optional_floats("tokenWeights", args->tokens);
  args->dlogp = in.float_output("dlogp", args->tokens);
  args->diagnostics = in.double_output("diagnostics", LAP_DIAG_COUNT);
}

constexpr Operation<LossArguments> kReduce{lap_policy_loss_reduce, &CudaObject::policy_loss_reduce, nullptr,
                                           &CudaObject::policy_loss_workspace};
constexpr Operation<LossArguments> kMap{lap_policy_loss_map, &CudaObject::policy_loss_map,
                                        lap_policy_loss_workspace, &CudaObject::policy_loss_workspace};
constexpr Operation<LossArguments> kBoth{lap_policy_loss, &CudaObject::policy_loss, lap_policy_loss_workspace,
                                         &CudaObject::policy_loss_workspace};

// The three entry points read the same arguments; a phase that does not use one gets it as absent.
template <const Operation<LossArguments>& kOperation, bool kReduces, bool kMaps>
Napi::Value policy_loss(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    Arguments& in = job.arguments;
    LossArguments args{};
    args.struct_size = sizeof args;
    args.objective = read_objective(in);
    read_layout(in, &args);
    if (kMaps) read_pairs(in, &args);
    args.logp = in.floats("logp", args.tokens);
    args.old_logp = in.optional_floats("oldLogp", args.tokens);
    args.behaviour_logp = in.optional_floats("behaviourLogp", args.tokens);
    args.ref_logp = in.optional_floats("refLogp", args.tokens);
    args.mask = in.optional_bytes("mask", args.tokens);
    args.stats = reinterpret_cast<lap_sequence_stats*>(read_stats(in, args.sequences, kReduces));
    if (kMaps || in.has("advantages")) args.advantages = in.floats("advantages", args.sequences);
    if (kMaps) read_map(in, &args);
    if (in.cuda() != nullptr) send_indices(in, &args, kMaps);
    return call(job, kOperation, args);
  });
}

}  // namespace

void export_policy_loss(Napi::Env env, Napi::Object exports) {
  exports.Set("policyLoss", Napi::Function::New(env, policy_loss<kBoth, true, true>));
  exports.Set("policyLossReduce", Napi::Function::New(env, policy_loss<kReduce, true, false>));
  exports.Set("policyLossMap", Napi::Function::New(env, policy_loss<kMap, false, true>));
}

}  // namespace lapidary::node

// The policy loss: both phases alone and together, and the size query.
#include "fuzz/input.h"

namespace lapidary::fuzz {
namespace {

lap_objective objective(Input& in) {
  lap_objective out{};
  out.struct_size = sizeof out;
  out.gate = static_cast<lap_gate>(in.between(0, 8));
  out.ratio_anchor = static_cast<lap_anchor>(in.between(0, 3));
  out.clip_low = in.flip() ? 0.2f : in.any_float();
  out.clip_high = in.flip() ? 0.2f : in.any_float();
  out.sequence_term = static_cast<lap_sequence_term>(in.between(0, 7));
  out.sequence_anchor = static_cast<lap_anchor>(in.between(0, 3));
  out.tau = in.flip() ? 0.001f : in.any_float();
  if (in.flip()) return out;
  for (float* bound : {&out.dual_clip, &out.ratio_cap, &out.kl_coefficient, &out.importance_high})
    *bound = in.flip() ? 1.5f : in.any_float();
  out.kl = static_cast<lap_kl>(in.between(0, 5));
  out.kl_gradient = static_cast<lap_kl_gradient>(in.between(0, 4));
  out.kl_anchor = static_cast<lap_anchor>(in.between(0, 3));
  out.kl_ratio_anchor = static_cast<lap_anchor>(in.between(0, 3));
  out.ratio_level = static_cast<lap_level>(in.between(0, 3));
  out.importance = static_cast<lap_importance>(in.between(0, 2));
  out.importance_level = static_cast<lap_level>(in.between(0, 2));
  out.importance_outside = static_cast<lap_outside>(in.between(0, 2));
  out.token_mask = static_cast<lap_token_mask>(in.between(0, 4));
  out.mask_anchor = static_cast<lap_anchor>(in.between(0, 3));
  return out;
}

void fill(Input& in, lap_policy_loss_args* args) {
  args->struct_size = sizeof *args;
  args->objective = objective(in);
  args->sequences = in.between(0, 4);
  int64_t* offsets = in.buffer<int64_t>(args->sequences + 1);
  offsets[0] = 0;
  for (int64_t i = 0; i < args->sequences; ++i)
    offsets[i + 1] = offsets[i] + in.between(0, in.flip() ? 5 : 40);
  args->cu_seqlens = offsets;
  args->tokens = offsets[args->sequences];
  args->logp = in.floats(args->tokens);
  if (in.flip()) args->old_logp = in.floats(args->tokens);
  if (in.flip()) args->behaviour_logp = in.floats(args->tokens);
  if (in.flip()) args->ref_logp = in.floats(args->tokens);
  args->advantages = in.floats(args->sequences);
  args->seq_scale = in.floats(args->sequences);
  if (in.flip()) args->token_weights = in.floats(args->tokens);
  if (in.flip()) {
    uint8_t* mask = in.buffer<uint8_t>(args->tokens);
    for (int64_t t = 0; t < args->tokens; ++t) mask[t] = static_cast<uint8_t>(in.between(0, 2));
    args->mask = mask;
  }
  args->stats = in.buffer<lap_sequence_stats>(args->sequences);
  for (int64_t i = 0; i < args->sequences; ++i) {
    args->stats[i] = {in.any_float(), in.any_float(), in.any_float(), in.any_float(), in.any_float()};
  }
  args->dlogp = in.buffer<float>(args->tokens);
  args->diagnostics = in.buffer<double>(LAP_DIAG_COUNT);
}

void spoil(Input& in, lap_policy_loss_args* args) {
  const int32_t any = static_cast<int32_t>(in.between(INT32_MIN, INT32_MAX));
  switch (in.between(0, 16)) {
    case 0:
      args->struct_size = static_cast<size_t>(in.between(0, INT64_MAX));
      break;
    case 1:
      args->objective.struct_size = static_cast<size_t>(in.between(0, INT64_MAX));
      break;
    case 2:
      args->objective.gate = static_cast<lap_gate>(any);
      break;
    case 3:
      args->objective.ratio_anchor = static_cast<lap_anchor>(any);
      break;
    case 4:
      args->objective.sequence_term = static_cast<lap_sequence_term>(any);
      break;
    case 5:
      args->objective.sequence_anchor = static_cast<lap_anchor>(any);
      break;
    case 6:
      args->tokens = in.impossible_size();
      break;
    case 7:
      args->sequences = -in.between(1, INT64_MAX);
      break;
    case 8:
      args->sequences = in.impossible_size(), args->cu_seqlens = nullptr;
      break;
    case 9:
      args->logp = nullptr;
      break;
    case 10:
      args->advantages = nullptr;
      break;
    case 11:
      args->seq_scale = nullptr;
      break;
    case 12:
      args->stats = nullptr;
      break;
    case 13:
      args->dlogp = nullptr;
      break;
    case 14:
      args->diagnostics = nullptr;
      break;
    case 15:
      args->cu_seqlens = nullptr;
      break;
    default:
      if (args->cu_seqlens != nullptr && args->sequences > 0) {
        const_cast<int64_t*>(args->cu_seqlens)[in.between(0, 4) % args->sequences] = in.impossible_size();
      }
  }
}

}  // namespace
}  // namespace lapidary::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lapidary::fuzz;
  Input in(data, size);
  lap_context* ctx = context(in.flip());
  lap_policy_loss_args args{};
  fill(in, &args);
  for (int64_t count = in.between(0, 2); count > 0; --count) spoil(in, &args);
  size_t bytes = 0;
  const lap_status sized = lap_policy_loss_workspace(ctx, &args, &bytes);
  expect_answer(ctx, sized);
  if (sized != LAP_OK || bytes > (size_t{1} << 26)) bytes = 64;
  args.workspace = in.buffer<unsigned char>(static_cast<int64_t>(bytes));
  args.workspace_bytes = in.between(0, 7) == 0 ? bytes / 2 : bytes;
  static constexpr lap_status (*kPhases[])(lap_context*, const lap_policy_loss_args*) = {
      lap_policy_loss, lap_policy_loss_reduce, lap_policy_loss_map};
  expect_answer(ctx, kPhases[in.between(0, 2)](ctx, &args));
  return 0;
}

// Token log-probs, forward and backward.
#include "fuzz/logits.h"

namespace lapidary::fuzz {
namespace {

template <class Args>
void spoil(Input& in, Args* args) {
  switch (in.between(0, 12)) {
    case 0:
      args->struct_size = static_cast<size_t>(in.between(0, INT64_MAX));
      break;
    case 1:
      args->dtype = in.impossible_dtype();
      break;
    case 2:
      args->rows = -in.between(1, INT64_MAX);
      break;
    case 3:
      args->rows = INT64_MAX, args->targets = nullptr, args->transform.temperatures = nullptr;
      break;
    case 4:
      args->vocab = in.impossible_size();
      break;
    case 5:
      if (args->rows > 1) args->row_stride = in.impossible_size();
      break;
    case 6:
      args->logits = nullptr;
      break;
    case 7:
      args->targets = nullptr;
      break;
    case 8:
      args->ignore_index = static_cast<int32_t>(in.between(INT32_MIN, INT32_MAX));
      break;
    case 9:
      args->logp = nullptr;
      break;
    case 10:
      args->lse = nullptr;
      break;
    case 11:
      args->rows = 0, args->logits = nullptr, args->targets = nullptr;
      break;
    default:
      args->transform.softcap = in.any_float();
  }
}

void forward(Input& in, lap_context* ctx) {
  lap_token_logprobs_args args{};
  fill_logits(in, &args, 0);
  args.logp = in.buffer<float>(args.rows);
  args.lse = in.buffer<float>(args.rows);
  if (in.flip()) args.entropy = in.buffer<float>(args.rows);
  for (int64_t count = in.between(0, 2); count > 0; --count) spoil(in, &args);
  expect_answer(ctx, lap_token_logprobs(ctx, &args));
}

void backward(Input& in, lap_context* ctx) {
  lap_token_logprobs_backward_args args{};
  fill_logits(in, &args, 0);
  fill_backward(in, &args);
  const int64_t spoilt = in.between(0, 2);
  for (int64_t i = 0; i < spoilt; ++i) spoil(in, &args);
  if (spoilt > 0 && in.flip() && args.rows > 1) args.dlogits_stride = in.impossible_size();
  if (spoilt > 0 && in.flip()) args.dlogits = nullptr;
  expect_answer(ctx, lap_token_logprobs_backward(ctx, &args));
}

}  // namespace
}  // namespace lapidary::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lapidary::fuzz;
  Input in(data, size);
  lap_context* ctx = context(in.flip());
  in.flip() ? forward(in, ctx) : backward(in, ctx);
  return 0;
}

// Linear log-probs, forward and backward, with their size queries.
#include "fuzz/input.h"

namespace lapidary::fuzz {
namespace {

template <class Args>
void fill(Input& in, Args* args) {
  args->struct_size = sizeof *args;
  args->dtype = in.dtype();
  args->rows = in.between(0, 5);
  args->vocab = in.between(1, 40);
  args->width = in.between(1, 20);
  args->hidden_stride = args->width + in.between(0, 3);
  args->weight_stride = args->width + in.between(0, 3);
  args->hidden = in.matrix(args->dtype, args->rows, args->hidden_stride, args->width);
  args->weight = in.matrix(args->dtype, args->vocab, args->weight_stride, args->width);
  args->ignore_index = -100;
  args->targets = in.targets(args->rows, args->vocab, args->ignore_index);
  args->transform = in.transform(args->rows);
}

template <class Args>
void spoil(Input& in, Args* args) {
  switch (in.between(0, 14)) {
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
      args->width = in.impossible_size();
      break;
    case 6:
      if (args->rows > 1) args->hidden_stride = in.impossible_size();
      break;
    case 7:
      if (args->vocab > 1) args->weight_stride = in.impossible_size();
      break;
    case 8:
      args->hidden = nullptr;
      break;
    case 9:
      args->weight = nullptr;
      break;
    case 10:
      args->targets = nullptr;
      break;
    case 11:
      args->ignore_index = static_cast<int32_t>(in.between(INT32_MIN, INT32_MAX));
      break;
    case 12:
      args->logp = nullptr;
      break;
    case 13:
      args->lse = nullptr;
      break;
    default:
      args->rows = 0, args->hidden = nullptr, args->targets = nullptr;
  }
}

// The size query is asked about the very arguments; small enough answers are believed.
template <class Args>
void call(Input& in, lap_context* ctx, Args& args, lap_status (*query)(lap_context*, const Args*, size_t*),
          lap_status (*function)(lap_context*, const Args*)) {
  size_t bytes = 0;
  const lap_status sized = query(ctx, &args, &bytes);
  expect_answer(ctx, sized);
  if (sized != LAP_OK) bytes = 64;
  if (bytes > (size_t{1} << 26)) bytes = 64;
  const size_t given = in.between(0, 7) == 0 ? bytes / 2 : bytes;
  args.workspace = in.between(0, 15) == 0 ? nullptr : in.buffer<unsigned char>(static_cast<int64_t>(given));
  args.workspace_bytes = given;
  expect_answer(ctx, function(ctx, &args));
}

void forward(Input& in, lap_context* ctx) {
  lap_linear_logprobs_args args{};
  fill(in, &args);
  args.logp = in.buffer<float>(args.rows);
  args.lse = in.buffer<float>(args.rows);
  if (in.flip()) args.entropy = in.buffer<float>(args.rows);
  for (int64_t count = in.between(0, 2); count > 0; --count) spoil(in, &args);
  call(in, ctx, args, lap_linear_logprobs_workspace, lap_linear_logprobs);
}

void backward(Input& in, lap_context* ctx) {
  lap_linear_logprobs_backward_args args{};
  fill(in, &args);
  args.logp = in.floats(args.rows);
  args.lse = in.floats(args.rows);
  args.dlogp = in.floats(args.rows);
  if (in.flip()) args.dhidden = in.floats(args.rows * args.width);
  if (in.flip()) args.dweight = in.floats(args.vocab * args.width);
  args.accumulate_dweight = in.flip();
  for (int64_t count = in.between(0, 2); count > 0; --count) spoil(in, &args);
  call(in, ctx, args, lap_linear_logprobs_backward_workspace, lap_linear_logprobs_backward);
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

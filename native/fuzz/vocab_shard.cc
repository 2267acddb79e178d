// Vocabulary shards: stats, merge and backward.
#include "fuzz/logits.h"

namespace lapidary::fuzz {
namespace {

template <class Args>
void spoil(Input& in, Args* args) {
  switch (in.between(0, 9)) {
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
      args->vocab = in.impossible_size();
      break;
    case 4:
      args->begin = in.flip() ? -in.between(1, INT64_MAX) : in.between(int64_t{1} << 31, INT64_MAX);
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
      args->rows = 0, args->logits = nullptr, args->targets = nullptr;
      break;
    default:
      args->transform.softcap = in.any_float();
  }
}

void stats(Input& in, lap_context* ctx) {
  lap_vocab_shard_stats_args args{};
  fill_logits(in, &args, 100);
  args.begin = in.between(0, 60);
  args.stats = in.buffer<lap_vocab_stats>(args.rows);
  args.want_entropy = in.flip();
  for (int64_t count = in.between(0, 2); count > 0; --count) spoil(in, &args);
  if (in.between(0, 9) == 0) args.stats = nullptr;
  expect_answer(ctx, lap_vocab_shard_stats(ctx, &args));
}

void merge(Input& in, lap_context* ctx) {
  lap_vocab_shard_merge_args args{};
  args.struct_size = sizeof args;
  args.shards = in.between(1, 4);
  args.rows = in.between(0, 5);
  auto* given = in.buffer<lap_vocab_stats>(args.shards * args.rows);
  for (int64_t i = 0; i < args.shards * args.rows; ++i) {
    const double held = in.flip() ? static_cast<double>(in.between(-1, 1)) : i < args.rows ? 1 : 0;
    given[i] = {in.any_float(), in.any_float(), in.any_float(), in.any_float(), held};
  }
  args.stats = given;
  args.logp = in.buffer<float>(args.rows);
  args.lse = in.buffer<float>(args.rows);
  args.lse_low = in.buffer<float>(args.rows);
  if (in.flip()) args.entropy = in.buffer<float>(args.rows);
  switch (in.between(0, 7)) {
    case 0:
      args.shards = in.flip() ? -in.between(0, INT64_MAX) : in.between(int64_t{1} << 60, INT64_MAX);
      break;
    case 1:
      args.rows = in.flip() ? -in.between(1, INT64_MAX) : in.between(int64_t{1} << 60, INT64_MAX);
      break;
    case 2:
      args.stats = nullptr;
      break;
    case 3:
      args.lse_low = nullptr;
      break;
    case 4:
      args.struct_size = static_cast<size_t>(in.between(0, INT64_MAX));
      break;
    default:
      break;
  }
  expect_answer(ctx, lap_vocab_shard_merge(ctx, &args));
}

void backward(Input& in, lap_context* ctx) {
  lap_vocab_shard_backward_args args{};
  fill_logits(in, &args, 100);
  args.begin = in.between(0, 60);
  fill_backward(in, &args);
  args.lse_low = in.floats(args.rows);
  if (in.flip()) args.entropy = in.floats(args.rows), args.dentropy = in.floats(args.rows);
  const int64_t spoilt = in.between(0, 2);
  for (int64_t i = 0; i < spoilt; ++i) spoil(in, &args);
  if (spoilt > 0 && in.flip() && args.rows > 1) args.dlogits_stride = in.impossible_size();
  if (spoilt > 0 && in.flip()) args.lse_low = nullptr;
  expect_answer(ctx, lap_vocab_shard_backward(ctx, &args));
}

}  // namespace
}  // namespace lapidary::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lapidary::fuzz;
  Input in(data, size);
  lap_context* ctx = context(in.flip());
  switch (in.between(0, 2)) {
    case 0:
      stats(in, ctx);
      break;
    case 1:
      merge(in, ctx);
      break;
    default:
      backward(in, ctx);
  }
  return 0;
}

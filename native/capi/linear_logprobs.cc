#include "cpu/linear_logprobs.h"

#include "capi/guarded.h"
#include "capi/linear_logprobs_checks.h"

namespace lapidary {
namespace {

Status check_kept(const lap_context& ctx, const void* kept, size_t given, int64_t rows, int64_t vocab) {
  if (kept == nullptr) return ok_status();
  size_t needed = 0;
  if (!linear_kept_bytes(*ctx.cpu, rows, vocab, &needed) || given < needed)
    return invalid("kept_bytes is " + std::to_string(given) +
                   "; expected what lap_linear_logprobs_kept_bytes says for " + std::to_string(rows) +
                   " rows and a vocabulary of " + std::to_string(vocab) + ", or more");
  return ok_status();
}

template <class Args>
Status check(const Args* args, bool sizes_only) {
  return check_linear_logprobs(args, sizes_only, true);
}

}  // namespace
}  // namespace lapidary

using namespace lapidary;

lap_status lap_linear_logprobs_workspace(lap_context* ctx, const lap_linear_logprobs_args* args,
                                         size_t* bytes) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check(args, true));
    *bytes = linear_logprobs_workspace(ctx->pool, *ctx->cpu, *args);
    return ok_status();
  });
}

lap_status lap_linear_logprobs_kept_bytes(lap_context* ctx, int64_t rows, int64_t vocab, size_t* bytes) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(in_range(rows, 0, "rows"));
    LAP_TRY(in_range(vocab, 1, "vocab"));
    LAP_TRY(not_null(bytes, "bytes"));
    if (linear_kept_bytes(*ctx->cpu, rows, vocab, bytes)) return ok_status();
    return invalid("rows is " + std::to_string(rows) + " and vocab is " + std::to_string(vocab) +
                   "; expected a product that memory can be counted for");
  });
}

lap_status lap_linear_logprobs(lap_context* ctx, const lap_linear_logprobs_args* args) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check(args, false));
    LAP_TRY(check_kept(*ctx, args->kept, args->kept_bytes, args->rows, args->vocab));
    LAP_TRY(check_workspace(args->workspace, args->workspace_bytes,
                            linear_logprobs_workspace(ctx->pool, *ctx->cpu, *args)));
    return linear_logprobs(ctx->pool, *ctx->cpu, *args);
  });
}

lap_status lap_linear_logprobs_backward_workspace(lap_context* ctx,
                                                  const lap_linear_logprobs_backward_args* args,
                                                  size_t* bytes) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check(args, true));
    *bytes = linear_logprobs_backward_workspace(ctx->pool, *ctx->cpu, *args);
    return ok_status();
  });
}

lap_status lap_linear_logprobs_backward(lap_context* ctx, const lap_linear_logprobs_backward_args* args) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check(args, false));
    LAP_TRY(check_kept(*ctx, args->kept, args->kept_bytes, args->rows, args->vocab));
    LAP_TRY(check_workspace(args->workspace, args->workspace_bytes,
                            linear_logprobs_backward_workspace(ctx->pool, *ctx->cpu, *args)));
    return linear_logprobs_backward(ctx->pool, *ctx->cpu, *args);
  });
}

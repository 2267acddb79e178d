#include "cpu/token_logprobs.h"

#include "capi/checks.h"
#include "capi/guarded.h"

namespace lapidary {
namespace {

template <class Args>
Status check_logits(const Args* args, const char* name, bool sizes_only = false) {
  LAP_TRY(not_null(args, "args"));
  LAP_TRY(check_struct(args->struct_size, sizeof *args, name));
  LAP_TRY(check_rows(*args, !sizes_only));
  if (sizes_only) return ok_status();
  return check_matrix(args->logits, args->rows, args->vocab, args->row_stride, "logits");
}

template <class Args>
Status check_dlogits(const Args* args) {
  LAP_TRY(check_matrix(args->dlogits, args->rows, args->vocab, args->dlogits_stride, "dlogits"));
  if (args->dlogits != args->logits || args->dlogits_stride == args->row_stride) return ok_status();
  return invalid(
      "dlogits is the buffer of logits with another row stride; expected the same stride in place");
}

template <class Args>
Status check_columns(const Args* args) {
  if (args->rows == 0) return ok_status();
  LAP_TRY(not_null(args->logp, "logp"));
  return not_null(args->lse, "lse");
}

Status check(const lap_token_logprobs_args* args) {
  LAP_TRY(check_logits(args, "lap_token_logprobs_args"));
  return check_columns(args);
}

Status check(const lap_token_logprobs_backward_args* args) {
  LAP_TRY(check_logits(args, "lap_token_logprobs_backward_args"));
  LAP_TRY(check_dlogits(args));
  LAP_TRY(check_columns(args));
  if (args->rows == 0) return ok_status();
  if (args->dentropy != nullptr) LAP_TRY(not_null(args->entropy, "entropy"));
  return not_null(args->dlogp, "dlogp");
}

Status check(const lap_token_logprobs_with_gradient_args* args, bool sizes_only) {
  LAP_TRY(check_logits(args, "lap_token_logprobs_with_gradient_args", sizes_only));
  if (sizes_only) return ok_status();
  LAP_TRY(check_dlogits(args));
  return check_columns(args);
}

}  // namespace
}  // namespace lapidary

using namespace lapidary;

lap_status lap_token_logprobs(lap_context* ctx, const lap_token_logprobs_args* args) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check(args));
    return token_logprobs(ctx->pool, *ctx->cpu, *args);
  });
}

lap_status lap_token_logprobs_backward(lap_context* ctx, const lap_token_logprobs_backward_args* args) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check(args));
    return token_logprobs_backward(ctx->pool, *ctx->cpu, *args);
  });
}

lap_status lap_token_logprobs_with_gradient_workspace(lap_context* ctx,
                                                      const lap_token_logprobs_with_gradient_args* args,
                                                      size_t* bytes) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check(args, true));
    LAP_TRY(not_null(bytes, "bytes"));
    *bytes = token_logprobs_with_gradient_workspace(ctx->pool, *args);
    return ok_status();
  });
}

lap_status lap_token_logprobs_with_gradient(lap_context* ctx,
                                            const lap_token_logprobs_with_gradient_args* args) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check(args, false));
    LAP_TRY(check_workspace(args->workspace, args->workspace_bytes,
                            token_logprobs_with_gradient_workspace(ctx->pool, *args)));
    return token_logprobs_with_gradient(ctx->pool, *ctx->cpu, *args);
  });
}

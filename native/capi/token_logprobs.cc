#include "cpu/token_logprobs.h"

#include "capi/checks.h"
#include "capi/guarded.h"

namespace lapidary {
namespace {

Status check(const lap_token_logprobs_args* args) {
  LAP_TRY(not_null(args, "args"));
  LAP_TRY(check_struct(args->struct_size, sizeof *args, "lap_token_logprobs_args"));
  LAP_TRY(check_rows(*args, true));
  LAP_TRY(check_matrix(args->logits, args->rows, args->vocab, args->row_stride, "logits"));
  if (args->rows == 0) return ok_status();
  LAP_TRY(not_null(args->logp, "logp"));
  return not_null(args->lse, "lse");
}

Status check(const lap_token_logprobs_backward_args* args) {
  LAP_TRY(not_null(args, "args"));
  LAP_TRY(check_struct(args->struct_size, sizeof *args, "lap_token_logprobs_backward_args"));
  LAP_TRY(check_rows(*args, true));
  LAP_TRY(check_matrix(args->logits, args->rows, args->vocab, args->row_stride, "logits"));
  LAP_TRY(check_matrix(args->dlogits, args->rows, args->vocab, args->dlogits_stride, "dlogits"));
  if (args->dlogits == args->logits && args->dlogits_stride != args->row_stride) {
    return invalid(
        "dlogits is the buffer of logits with another row stride; expected the same stride in place");
  }
  if (args->rows == 0) return ok_status();
  LAP_TRY(not_null(args->logp, "logp"));
  LAP_TRY(not_null(args->lse, "lse"));
  return not_null(args->dlogp, "dlogp");
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

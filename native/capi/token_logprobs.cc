#include "cpu/token_logprobs.h"

#include "capi/guarded.h"
#include "capi/token_logprobs_checks.h"

namespace lapidary {
namespace {

// Of the size query: pointers may still be missing.
Status check_sizes(const lap_token_logprobs_with_gradient_args* args) {
  LAP_TRY(not_null(args, "args"));
  LAP_TRY(check_struct(args->struct_size, sizeof *args, "lap_token_logprobs_with_gradient_args"));
  return check_rows(*args, false);
}

}  // namespace
}  // namespace lapidary

using namespace lapidary;

lap_status lap_token_logprobs(lap_context* ctx, const lap_token_logprobs_args* args) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check_token_logprobs(args, true));
    return token_logprobs(ctx->pool, *ctx->cpu, *args);
  });
}

lap_status lap_token_logprobs_backward(lap_context* ctx, const lap_token_logprobs_backward_args* args) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check_token_logprobs(args, true));
    return token_logprobs_backward(ctx->pool, *ctx->cpu, *args);
  });
}

lap_status lap_token_logprobs_with_gradient_workspace(lap_context* ctx,
                                                      const lap_token_logprobs_with_gradient_args* args,
                                                      size_t* bytes) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check_sizes(args));
    LAP_TRY(not_null(bytes, "bytes"));
    *bytes = token_logprobs_with_gradient_workspace(ctx->pool, *args);
    return ok_status();
  });
}

lap_status lap_token_logprobs_with_gradient(lap_context* ctx,
                                            const lap_token_logprobs_with_gradient_args* args) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check_token_logprobs(args, true));
    LAP_TRY(check_workspace(args->workspace, args->workspace_bytes,
                            token_logprobs_with_gradient_workspace(ctx->pool, *args)));
    return token_logprobs_with_gradient(ctx->pool, *ctx->cpu, *args);
  });
}

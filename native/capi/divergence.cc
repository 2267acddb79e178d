#include "cpu/divergence.h"

#include "capi/divergence_checks.h"
#include "capi/guarded.h"

using namespace lapidary;

lap_status lap_divergence(lap_context* ctx, const lap_divergence_args* args) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check_divergence(args, true));
    return divergence(ctx->pool, *ctx->cpu, *args);
  });
}

lap_status lap_divergence_with_gradient(lap_context* ctx, const lap_divergence_with_gradient_args* args) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check_divergence(args, true));
    return divergence_with_gradient(ctx->pool, *ctx->cpu, *args);
  });
}

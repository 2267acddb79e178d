// The C ABI: checks, then the backend. Every function follows one pattern, in `guarded`.
#include "lapidary.h"

#include <exception>
#include <new>

#include "capi/arguments.h"
#include "capi/context.h"
#include "cpu/linear_logprobs.h"
#include "cpu/policy_loss.h"
#include "cpu/token_logprobs.h"

using lapidary::LossPhase;
using lapidary::Status;

namespace {

// Runs `call`, keeps its message, and lets no exception pass into C.
template <class Call>
lap_status guarded(lap_context* ctx, const Call& call) {
  if (ctx == nullptr) return LAP_INVALID_ARGUMENT;
  try {
    Status status = call();
    ctx->error = std::move(status.message);
    return status.code;
  } catch (const std::bad_alloc&) {
    ctx->error.clear();  // a message could need memory again
    return LAP_OUT_OF_MEMORY;
  }
}

Status check_workspace(size_t given, size_t needed) {
  if (given >= needed) return lapidary::ok_status();
  return lapidary::invalid("workspace_bytes is " + std::to_string(given) + "; expected " +
                           std::to_string(needed) + " or more, as the size query says");
}

Status run_policy_loss(lap_context* ctx, const lap_policy_loss_args* args, LossPhase phase) {
  LAP_TRY(lapidary::check(args, phase));
  if (phase != LossPhase::kReduce) {
    LAP_TRY(check_workspace(args->workspace_bytes, lapidary::policy_loss_workspace(*args)));
  }
  if (phase != LossPhase::kMap) LAP_TRY(lapidary::policy_loss_reduce(ctx->pool, *args));
  if (phase != LossPhase::kReduce) LAP_TRY(lapidary::policy_loss_map(ctx->pool, *args));
  return lapidary::ok_status();
}

}  // namespace

lap_status lap_context_create(const lap_context_options* options, lap_context** out) {
  if (out == nullptr) return LAP_INVALID_ARGUMENT;
  *out = nullptr;
  if (options != nullptr && options->struct_size != sizeof *options) return LAP_INVALID_ARGUMENT;
  const int threads = options == nullptr ? 0 : options->threads;
  if (threads < 0 || threads > 4096) return LAP_INVALID_ARGUMENT;
  const lapidary::Implementation* cpu =
      lapidary::find_implementation(options == nullptr ? nullptr : options->implementation);
  if (cpu == nullptr) return LAP_INVALID_ARGUMENT;
  try {
    *out = new lap_context(threads, cpu);
    return LAP_OK;
  } catch (const std::exception&) {  // bad_alloc, or no more threads
    return LAP_OUT_OF_MEMORY;
  }
}

void lap_context_destroy(lap_context* ctx) { delete ctx; }
const char* lap_error_message(const lap_context* ctx) {
  return ctx == nullptr ? "ctx is NULL" : ctx->error.c_str();
}
const char* lap_context_implementation(const lap_context* ctx) { return ctx->cpu->name; }
int32_t lap_context_threads(const lap_context* ctx) { return ctx->pool.threads(); }
void lap_context_set_cancel(lap_context* ctx, const int32_t* flag) { ctx->pool.set_cancel(flag); }

lap_status lap_token_logprobs(lap_context* ctx, const lap_token_logprobs_args* args) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(lapidary::check(args));
    return lapidary::token_logprobs(ctx->pool, *ctx->cpu, *args);
  });
}

lap_status lap_token_logprobs_backward(lap_context* ctx, const lap_token_logprobs_backward_args* args) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(lapidary::check(args));
    return lapidary::token_logprobs_backward(ctx->pool, *ctx->cpu, *args);
  });
}

lap_status lap_linear_logprobs_workspace(lap_context* ctx, const lap_linear_logprobs_args* args,
                                         size_t* bytes) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(lapidary::check(args, true));
    *bytes = lapidary::linear_logprobs_workspace(ctx->pool, *ctx->cpu, *args);
    return lapidary::ok_status();
  });
}

lap_status lap_linear_logprobs(lap_context* ctx, const lap_linear_logprobs_args* args) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(lapidary::check(args, false));
    LAP_TRY(check_workspace(args->workspace_bytes,
                            lapidary::linear_logprobs_workspace(ctx->pool, *ctx->cpu, *args)));
    return lapidary::linear_logprobs(ctx->pool, *ctx->cpu, *args);
  });
}

lap_status lap_linear_logprobs_backward_workspace(lap_context* ctx,
                                                  const lap_linear_logprobs_backward_args* args,
                                                  size_t* bytes) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(lapidary::check(args, true));
    *bytes = lapidary::linear_logprobs_backward_workspace(ctx->pool, *ctx->cpu, *args);
    return lapidary::ok_status();
  });
}

lap_status lap_linear_logprobs_backward(lap_context* ctx, const lap_linear_logprobs_backward_args* args) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(lapidary::check(args, false));
    LAP_TRY(check_workspace(args->workspace_bytes,
                            lapidary::linear_logprobs_backward_workspace(ctx->pool, *ctx->cpu, *args)));
    return lapidary::linear_logprobs_backward(ctx->pool, *ctx->cpu, *args);
  });
}

lap_status lap_policy_loss_workspace(lap_context* ctx, const lap_policy_loss_args* args, size_t* bytes) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(lapidary::check(args, LossPhase::kSizes));
    *bytes = lapidary::policy_loss_workspace(*args);
    return lapidary::ok_status();
  });
}

lap_status lap_policy_loss_reduce(lap_context* ctx, const lap_policy_loss_args* args) {
  return guarded(ctx, [&] { return run_policy_loss(ctx, args, LossPhase::kReduce); });
}

lap_status lap_policy_loss_map(lap_context* ctx, const lap_policy_loss_args* args) {
  return guarded(ctx, [&] { return run_policy_loss(ctx, args, LossPhase::kMap); });
}

lap_status lap_policy_loss(lap_context* ctx, const lap_policy_loss_args* args) {
  return guarded(ctx, [&] { return run_policy_loss(ctx, args, LossPhase::kBoth); });
}

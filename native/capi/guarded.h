// The pattern of every function of the C ABI.
#pragma once

#include <new>
#include <utility>

#include "capi/context.h"
#include "core/status.h"

namespace lapidary {

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

}  // namespace lapidary

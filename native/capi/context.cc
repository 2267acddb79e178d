#include "capi/context.h"

#include <exception>

#include "capi/guarded.h"

int32_t lap_abi_version(void) { return LAP_ABI_VERSION; }

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

const char* lap_implementation_name(int32_t index) {
  const lapidary::Implementation* const* entry = lapidary::implementations();
  for (int32_t i = 0; index >= 0 && *entry != nullptr; ++i, ++entry) {
    if (i == index) return (*entry)->name;
  }
  return nullptr;
}
int32_t lap_implementation_supported(int32_t index) {
  const char* name = lap_implementation_name(index);
  return name != nullptr && lapidary::find_implementation(name) != nullptr ? 1 : 0;
}
void lap_context_set_cancel(lap_context* ctx, const int32_t* flag) { ctx->pool.set_cancel(flag); }

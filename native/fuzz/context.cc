// Making contexts, and calls without a context or arguments.
#include <string>

#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lapidary::fuzz;
  Input in(data, size);
  lap_context_options options{};
  options.struct_size = in.between(0, 7) == 0 ? static_cast<size_t>(in.between(0, 64)) : sizeof options;
  options.threads = static_cast<int32_t>(in.flip() ? in.between(0, 3) : in.between(INT32_MIN, INT32_MAX));
  // A legal number of hundreds of threads would only be slow here.
  if (options.threads > 8 && options.threads <= 4096) options.threads = 8;
  std::string name;
  for (int64_t length = in.between(0, 9); length > 0; --length) name += static_cast<char>(in.between(1, 255));
  static const char* const kNames[] = {nullptr, "avx2", "portable", ""};
  const int64_t choice = in.between(0, 4);
  options.implementation = choice == 4 ? name.c_str() : kNames[choice];
  lap_context* ctx = reinterpret_cast<lap_context*>(&options);
  const lap_status status = lap_context_create(in.between(0, 7) == 0 ? nullptr : &options, &ctx);
  if ((status == LAP_OK) != (ctx != nullptr)) std::abort();
  if (lap_context_create(&options, nullptr) != LAP_INVALID_ARGUMENT) std::abort();
  const bool refused = lap_token_logprobs(nullptr, nullptr) == LAP_INVALID_ARGUMENT &&
                       lap_policy_loss(nullptr, nullptr) == LAP_INVALID_ARGUMENT &&
                       lap_linear_logprobs(nullptr, nullptr) == LAP_INVALID_ARGUMENT;
  if (!refused) std::abort();
  if (ctx != nullptr) {
    expect_answer(ctx, lap_token_logprobs(ctx, nullptr));
    expect_answer(ctx, lap_token_logprobs_backward(ctx, nullptr));
    expect_answer(ctx, lap_linear_logprobs(ctx, nullptr));
    expect_answer(ctx, lap_policy_loss(ctx, nullptr));
  }
  lap_context_destroy(ctx);
  return 0;
}

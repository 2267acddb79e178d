// The only file that includes napi.h; the defines it needs are in binding.gyp and CMakeLists.txt.
#pragma once

#include <napi.h>

#include "core/status.h"

namespace lapidary::node {

// Where a call ran: memory that a device has not is another error than the host's.
enum class Where { kHost, kDevice };

// A JS error with a stable `code`; lib/kernels/native.ts turns it into a LapidaryError.
inline Napi::Error to_error(Napi::Env env, const Status& status, Where where = Where::kHost) {
  static const char* const kCodes[] = {"",
                                       "ERR_LAPIDARY_ARGUMENT",
                                       "ERR_LAPIDARY_NATIVE",
                                       "ERR_LAPIDARY_CANCELLED",
                                       "ERR_LAPIDARY_STATE",
                                       "ERR_LAPIDARY_DEVICE"};
  const bool full = where == Where::kDevice && status.code == LAP_OUT_OF_MEMORY;
  const char* text = status.message.empty() ? "out of memory" : status.message.c_str();
  Napi::Error error = Napi::Error::New(env, text);
  error.Set("code", Napi::String::New(env, full ? "ERR_LAPIDARY_MEMORY" : kCodes[status.code]));
  return error;
}

[[noreturn]] inline void throw_argument(Napi::Env env, const std::string& message) {
  throw to_error(env, invalid(message));
}

}  // namespace lapidary::node

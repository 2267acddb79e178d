// Native memory that V8 should know of, so that its collector sees what a small JS object holds alive: the
// copies of queued jobs, and the built-in policy. A workspace lives only while its job runs, on a thread that
// may not call V8, and is not counted; nor are a context's thread stacks.
#pragma once

#include "node/setup.h"

namespace lapidary::node {

// The only caller of napi_adjust_external_memory. What was reported is taken back when this ends, which must
// be on the JS thread.
class ExternalMemory {
 public:
  explicit ExternalMemory(napi_env env) : env_(env) {}
  ~ExternalMemory() { grow(-bytes_); }
  ExternalMemory(const ExternalMemory&) = delete;
  ExternalMemory& operator=(const ExternalMemory&) = delete;

  // All that V8 has been told of, by this addon and by others. process.memoryUsage() need not show it.
  static int64_t total(napi_env env) {
    int64_t total = 0;
    napi_adjust_external_memory(env, 0, &total);
    return total;
  }

  void grow(int64_t bytes) {
    int64_t total = 0;
    if (bytes != 0 && napi_adjust_external_memory(env_, bytes, &total) == napi_ok) bytes_ += bytes;
  }

 private:
  napi_env env_;
  int64_t bytes_ = 0;
};

}  // namespace lapidary::node

// What one Node environment (the main thread, or a worker) owns: a kernel context and a job thread.
#pragma once

#include <mutex>

#include "lapidary.h"
#include "node/job.h"

namespace lapidary::node {

struct Environment {
  explicit Environment(Napi::Env env) : jobs(env) {}
  ~Environment() { lap_context_destroy(context); }

  // The context is made by the first call: loading the addon starts no thread. Options that the CPU cannot
  // serve are an argument error.
  lap_context* kernels(Napi::Env env);
  Status configure(int32_t threads, const std::string& implementation);

  lap_context* context = nullptr;
  // A context serves one call at a time; a synchronous call waits for the running job.
  std::mutex context_mutex;
  JobRunner jobs;
};

inline Environment& environment(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

}  // namespace lapidary::node

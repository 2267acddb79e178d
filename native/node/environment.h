// What one Node environment (the main thread, or a worker) owns: a kernel context and a job thread.
#pragma once

#include <memory>
#include <mutex>

#include "lapidary.h"
#include "node/job.h"

namespace lapidary::node {

struct Environment {
  explicit Environment(Napi::Env env) : jobs(env), env_(env) {}
  ~Environment() { lap_context_destroy(context); }

  // The context is made by the first call: loading the addon starts no thread. Options that the CPU cannot
  // serve are an argument error.
  lap_context* kernels(Napi::Env env);
  Status configure(int32_t threads, const std::string& implementation);

  lap_context* context = nullptr;
  // A context serves one call at a time; a synchronous call waits for the running job.
  std::mutex context_mutex;
  JobRunner jobs;
  // Waits for devices, so that the CPU's jobs need not; made by the first call that is to be waited for.
  std::unique_ptr<JobRunner> waits;
  Napi::FunctionReference cuda_memory;

  JobRunner& runner(const Job& job) {
    if (job.arguments.cuda() == nullptr) return jobs;
    if (waits == nullptr) waits = std::make_unique<JobRunner>(env_);
    return *waits;
  }
  void check_pending(Napi::Env env, const Job& job) const {
    jobs.check_pending(env, job);
    if (waits != nullptr) waits->check_pending(env, job);
  }

 private:
  Napi::Env env_;
};

inline Environment& environment(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

}  // namespace lapidary::node

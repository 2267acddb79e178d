// The only code that runs work off the event loop: one thread per environment, with a queue. libuv's pool is
// left alone (four long jobs there would stall all file and DNS work of the process).
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "node/args.h"

namespace lapidary::node {

struct Job {
  Job(Napi::Object object, bool asynchronous) : arguments(object, asynchronous), async(asynchronous) {}

  Arguments arguments;
  bool async;
  // Of a call on a device: puts it on the stream, on the JS thread; `work` then only waits.
  std::function<Status()> launch;
  std::function<Status(const int32_t* cancel)> work;
  // Makes the call's value on the JS thread; null: undefined.
  std::function<Napi::Value(Napi::Env)> result;
  const int32_t* cancel = nullptr;
  std::unique_ptr<Napi::Promise::Deferred> deferred;
  Status status;

  Where where() const { return arguments.cuda() == nullptr ? Where::kHost : Where::kDevice; }
};

class JobRunner {
 public:
  explicit JobRunner(Napi::Env env);
  ~JobRunner();

  // Refuses a call on an array that a pending call is still to write: it would work on the old contents.
  void check_pending(Napi::Env env, const Job& job) const;
  Napi::Value run_now(Napi::Env env, Job& job);
  Napi::Value enqueue(Napi::Env env, std::unique_ptr<Job> job);

 private:
  void work();
  void shut_down();
  void settle(Napi::Env env, Job& job);
  // On the JS thread, once for each job that the thread has done; env is NULL where the environment is gone.
  static void settle_next(Napi::Env env, Napi::Function, JobRunner* runner, void*);

  // A call carries no data: what is still on its way to an environment that ends would be lost.
  Napi::TypedThreadSafeFunction<JobRunner, void, settle_next> to_js_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Job>> queue_;
  std::deque<std::unique_ptr<Job>> done_;  // to be settled
  Job* running_ = nullptr;
  bool stopping_ = false;
  std::vector<Job*> pending_;  // made and not settled; JS thread only
};

// Runs `work` at once (of a call on a device only where there is something to wait for), or on the runner's
// thread where `cancel` (an Int32Array over shared memory) is given.
Napi::Value dispatch(const Napi::CallbackInfo& info,
                     const std::function<std::function<Status(const int32_t*)>(Job& job)>& prepare);

}  // namespace lapidary::node

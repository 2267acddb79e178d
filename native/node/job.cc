#include "node/job.h"

#include <algorithm>
#include <new>
#include <system_error>
#include <utility>

#include "node/environment.h"

namespace lapidary::node {

JobRunner::JobRunner(Napi::Env env) {
  to_js_ = decltype(to_js_)::New(env, "lapidary jobs", 0, 1, this);
  to_js_.Unref(env);  // an idle runner must not keep the process alive
  // Added after the thread-safe function's own hook, so it runs before: the thread has ended when that is
  // freed.
  env.AddCleanupHook([this] { shut_down(); });
}

JobRunner::~JobRunner() { shut_down(); }

void JobRunner::shut_down() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
    // The flag lies in memory that JS shares with us; raising it ends the running job at its next tile.
    if (running_ != nullptr && running_->cancel != nullptr) {
      __atomic_store_n(const_cast<int32_t*>(running_->cancel), 1, __ATOMIC_RELAXED);
    }
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  // A job's references may only be freed on the JS thread, which this is.
  queue_.clear();
  done_.clear();
  to_js_.Release();
}

void JobRunner::check_pending(Napi::Env env, const Job& job) const {
  for (const Job* earlier : pending_) {
    const char* met = earlier->arguments.meets(job.arguments);
    if (met != nullptr) {
      throw to_error(env, {LAP_WRONG_STATE, std::string(met) + " is still to be copied by an earlier call; "
                                                               "await that call first"});
    }
    const char* name = earlier->arguments.unwritten(job.arguments);
    if (name == nullptr) continue;
    throw to_error(
        env, {LAP_WRONG_STATE, std::string(name) + " is still to be written by an earlier call; "
                                                   "await that call first, or use memory of Tensor.alloc"});
  }
}

Napi::Value JobRunner::run_now(Napi::Env env, Job& job) {
  if (job.arguments.cuda() == nullptr || job.arguments.cuda()->waits()) {
    Status status = job.work(nullptr);
    if (status.ok()) status = job.arguments.finish(env);
    if (!status.ok()) throw to_error(env, status, job.where());
  }
  return job.result ? job.result(env) : env.Undefined();
}

Napi::Value JobRunner::enqueue(Napi::Env env, std::unique_ptr<Job> job) {
  job->deferred = std::make_unique<Napi::Promise::Deferred>(env);
  Napi::Promise promise = job->deferred->Promise();
  pending_.reserve(pending_.size() + 1);
  Job* made = job.get();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
    queue_.push_back(std::move(job));
  }
  if (pending_.empty()) to_js_.Ref(env);
  pending_.push_back(made);
  wake_.notify_one();
  return promise;
}

void JobRunner::work() {
  for (;;) {
    std::unique_ptr<Job> job;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      job = std::move(queue_.front());
      queue_.pop_front();
      running_ = job.get();
    }
    try {
      job->status = job->work(job->cancel);
    } catch (const std::bad_alloc&) {
      job->status = {LAP_OUT_OF_MEMORY, ""};
    } catch (...) {
      job->status = {LAP_WRONG_STATE, "an unexpected exception in a job"};
    }
    {
      std::lock_guard<std::mutex> lock(mutex_);
      running_ = nullptr;
      done_.push_back(std::move(job));
      if (stopping_) return;  // the environment is going: its promise cannot settle any more
    }
    if (to_js_.NonBlockingCall() != napi_ok) return;
  }
}

void JobRunner::settle_next(Napi::Env env, Napi::Function, JobRunner* runner, void*) {
  if (static_cast<napi_env>(env) == nullptr) return;
  std::unique_ptr<Job> job;
  {
    std::lock_guard<std::mutex> lock(runner->mutex_);
    if (runner->done_.empty()) return;
    job = std::move(runner->done_.front());
    runner->done_.pop_front();
  }
  runner->settle(env, *job);
}

void JobRunner::settle(Napi::Env env, Job& job) {
  pending_.erase(std::find(pending_.begin(), pending_.end(), &job));
  if (pending_.empty()) to_js_.Unref(env);
  Napi::HandleScope scope(env);
  try {
    if (job.status.ok()) job.status = job.arguments.finish(env);
    if (!job.status.ok()) {
      job.deferred->Reject(to_error(env, job.status, job.where()).Value());
      return;
    }
    job.deferred->Resolve(job.result ? job.result(env) : env.Undefined());
  } catch (const Napi::Error& error) {
    job.deferred->Reject(error.Value());
  }
}

Napi::Value dispatch(const Napi::CallbackInfo& info,
                     const std::function<std::function<Status(const int32_t*)>(Job& job)>& prepare) {
  Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsObject()) throw_argument(env, "the first argument is not an object");
  const bool async = info.Length() > 1 && !info[1].IsUndefined();
  auto job = std::make_unique<Job>(info[0].As<Napi::Object>(), async);
  try {
    job->work = prepare(*job);
    job->arguments.check_memory();
    Environment& owner = environment(env);
    owner.check_pending(env, *job);
    if (job->launch) {
      const Status launched = job->launch();
      if (!launched.ok()) throw to_error(env, launched, Where::kDevice);
    }
    if (!async) return owner.jobs.run_now(env, *job);
    Napi::Object holder = Napi::Object::New(env);
    holder.Set("cancel", info[1]);
    Arguments cancel(holder, true);
    job->cancel = cancel.flag("cancel");
    job->arguments.keep(info[1].As<Napi::Object>());
    return owner.runner(*job).enqueue(env, std::move(job));
  } catch (const std::bad_alloc&) {
    throw to_error(env, out_of_memory("preparing the call"));
  } catch (const std::system_error&) {
    throw to_error(env, {LAP_OUT_OF_MEMORY, "no thread could be started for asynchronous calls"});
  }
}

}  // namespace lapidary::node

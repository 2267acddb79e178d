// A small fork-join pool. Work is split by the caller into a fixed number of tasks that does not depend on
// the thread count, each writing its own results, so that any number of threads gives the same bits.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace lapidary {

class ThreadPool {
 public:
  // `threads` counts the calling thread; 0 means one per core the process may use.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // A non-zero flag makes parallel_for skip the tasks that have not begun. May be null.
  void set_cancel(const int32_t* flag) { cancel_ = flag; }
  bool is_cancelled() const { return cancel_ != nullptr && __atomic_load_n(cancel_, __ATOMIC_RELAXED) != 0; }

  // Calls body(task, worker) for task in [0, tasks); returns when all are done. `worker` in [0, threads())
  // names a slot of scratch that no other running task uses. The body must not throw or nest parallel_for.
  template <class Body>
  void parallel_for(int64_t tasks, const Body& body) {
    run(
        tasks,
        [](const void* context, int64_t task, int worker) {
          (*static_cast<const Body*>(context))(task, worker);
        },
        &body);
  }

 private:
  using Entry = void (*)(const void* context, int64_t task, int worker);
  void run(int64_t tasks, Entry entry, const void* context);
  void drain(int worker);
  void work(int worker);

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> busy_{0};
  bool stopping_ = false;

  Entry entry_ = nullptr;
  const void* context_ = nullptr;
  int64_t tasks_ = 0;
  std::atomic<int64_t> next_{0};
  const int32_t* cancel_ = nullptr;
};

}  // namespace lapidary

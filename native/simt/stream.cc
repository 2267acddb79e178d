#include "simt/stream.h"

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

using Clock = std::chrono::steady_clock;

namespace {

// A point in a stream's work, which threads and other streams may wait for.
class Point {
 public:
  void pass() {
    const std::lock_guard<std::mutex> lock(mutex_);
    at_ = Clock::now();
    passed_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return passed_; });
  }
  bool passed() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return passed_;
  }
  Clock::time_point at() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return at_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool passed_ = false;
  Clock::time_point at_;
};

bool works_later() {
  const char* text = std::getenv("LAPIDARY_SIMT_ASYNC");
  return text != nullptr && text[0] == '1';
}

}  // namespace

struct simt_stream {
  simt_stream() {
    if (works_later()) thread = std::thread([this] { work(); });
  }
  ~simt_stream() {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      stopping = true;
    }
    wake.notify_one();
    if (thread.joinable()) thread.join();
  }

  void put(std::function<void()> job) {
    if (!thread.joinable()) return job();
    const std::lock_guard<std::mutex> lock(mutex);
    queue.push_back(std::move(job));
    wake.notify_one();
  }
  void work() {
    for (;;) {
      std::unique_lock<std::mutex> lock(mutex);
      wake.wait(lock, [this] { return stopping || !queue.empty(); });
      if (queue.empty()) return;
      const std::function<void()> job = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      job();
    }
  }
  std::shared_ptr<Point> record() {
    auto point = std::make_shared<Point>();
    put([point] { point->pass(); });
    return point;
  }

  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::function<void()>> queue;
  bool stopping = false;
  std::thread thread;
};
struct simt_event {
  std::shared_ptr<Point> point;
};

namespace {

// Never destroyed: streams may outlive it otherwise.
std::mutex& guard = *new std::mutex;
std::set<simt_stream*>& streams = *new std::set<simt_stream*>;

}  // namespace

namespace simt {

void enqueue(cudaStream_t stream, std::function<void()> work) {
  if (stream == nullptr) return work();
  stream->put(std::move(work));
}

void launch_on(cudaStream_t stream, dim3 grid, dim3 block, unsigned cluster, size_t shared_bytes,
               std::function<void()> kernel) {
  enqueue(stream,
          [=, kernel = std::move(kernel)] { launch_clusters(grid, block, cluster, shared_bytes, kernel); });
}

void drain() {
  const std::lock_guard<std::mutex> lock(guard);
  for (simt_stream* stream : streams) stream->record()->wait();
}

}  // namespace simt

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* out, unsigned) {
  *out = new simt_stream;
  const std::lock_guard<std::mutex> lock(guard);
  streams.insert(*out);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  {
    const std::lock_guard<std::mutex> lock(guard);
    streams.erase(stream);
  }
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream != nullptr) stream->record()->wait();
  return cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return stream == nullptr || stream->record()->passed() ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (event->point != nullptr) simt::enqueue(stream, [point = event->point] { point->wait(); });
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize(void) {
  simt::drain();
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* out, unsigned) {
  *out = new simt_event{};
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  auto point = std::make_shared<Point>();
  event->point = point;
  simt::enqueue(stream, [point] { point->pass(); });
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  return event->point == nullptr || event->point->passed() ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (event->point != nullptr) event->point->wait();
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  if (from->point == nullptr || to->point == nullptr) return cudaErrorInvalidValue;
  if (!from->point->passed() || !to->point->passed()) return cudaErrorNotReady;
  *milliseconds = std::chrono::duration<float, std::milli>(to->point->at() - from->point->at()).count();
  return cudaSuccess;
}

}  // extern "C"

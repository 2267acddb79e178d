// A stream of one device as the Node layer has it. The JS thread puts all work on it, so that the order of
// calls is the order of work; another thread only waits. A context serves one thread at a time, so there are
// two over the same stream.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/status.h"
#include "node/cuda_object.h"

namespace lapidary::node {

class CudaStream {
 public:
  // On device `index`; fails without throwing.
  static Status open(const CudaObject& object, int32_t index, std::shared_ptr<CudaStream>* out);
  CudaStream(const CudaStream&) = delete;
  // Waits for the work on the stream. JS thread.
  ~CudaStream();

  const CudaObject& object() const { return object_; }
  int32_t device() const { return device_; }
  std::string device_name() const { return "cuda:" + std::to_string(device_); }
  lap_cuda_context* context() const { return here_; }  // JS thread

  // A call over the JS thread's context; its status with its message.
  template <class Function, class... Arguments>
  Status on(Function CudaObject::*function, Arguments... arguments) {
    return status_of(here_, (object_.*function)(here_, arguments...));
  }
  // The same over the waiting thread's.
  template <class Function, class... Arguments>
  Status waiting_on(Function CudaObject::*function, Arguments... arguments) {
    return status_of(waiter_, (object_.*function)(waiter_, arguments...));
  }

  // A recorded event, from those that were given back. JS thread.
  Status mark(lap_cuda_event** out);
  void give_back(lap_cuda_event* event) { events_.push_back(event); }

  // Pinned memory of at least `bytes`, which the device may still be reading when it is given back: it is
  // handed out again only when the stream has passed that point. JS thread.
  struct Staging {
    void* memory = nullptr;
    size_t bytes = 0;
    lap_cuda_event* used = nullptr;
  };
  static constexpr size_t kMostStaging = size_t{16} << 20;
  Status stage(size_t bytes, Staging* out);
  void give_back(Staging staging);

 private:
  CudaStream(const CudaObject& object, int32_t device) : object_(object), device_(device) {}
  Status status_of(lap_cuda_context* context, lap_status code) const {
    if (code == LAP_OK) return ok_status();
    return {code, object_.error_message(context)};
  }
  bool passed(lap_cuda_event* event);

  const CudaObject& object_;
  int32_t device_;
  lap_cuda_context* here_ = nullptr;
  lap_cuda_context* waiter_ = nullptr;
  std::vector<lap_cuda_event*> events_;
  std::vector<Staging> staging_;
};

}  // namespace lapidary::node

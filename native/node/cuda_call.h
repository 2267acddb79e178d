// What a call on a device needs beside its arguments: the stream, memory of its own there, and the way of
// small host arrays to the device and of numbers back. Made and ended on the JS thread; only `wait` is
// another's.
#pragma once

#include <memory>
#include <vector>

#include "node/cuda_memory.h"

namespace lapidary::node {

class CudaCall {
 public:
  CudaCall(std::shared_ptr<CudaStream> stream, bool async) : stream_(std::move(stream)), must_wait_(async) {}
  CudaCall(const CudaCall&) = delete;
  // Gives back, in the order of the stream, what the call held.
  ~CudaCall();

  const std::shared_ptr<CudaStream>& stream() const { return stream_; }
  // Keeps a tensor's memory until the call has ended.
  void use(const std::shared_ptr<CudaBlock>& block);
  // Device memory for the duration of the call.
  Status temporary(size_t bytes, void** out);
  // A copy of host bytes on the device. They have been read when this returns.
  Status upload(const void* host, size_t bytes, void** out);
  // A place on the device for a result that goes to the host, and where it will be there once `wait` is over.
  Status download(size_t bytes, void** device, void** host);

  // Puts the operation on the stream, then what is to be waited for.
  template <class Args>
  Status launch(lap_status (*CudaObject::*function)(lap_cuda_context*, const Args*),
                lap_status (*CudaObject::*query)(lap_cuda_context*, const Args*, size_t*), Args args) {
    if constexpr (requires { args.workspace; }) {
      if (query != nullptr) {
        LAP_TRY(stream_->on(query, &args, &args.workspace_bytes));
        LAP_TRY(temporary(args.workspace_bytes, &args.workspace));
      }
    }
    LAP_TRY(stream_->on(function, &args));
    return finish_launch();
  }
  // Downloads, and the point that `wait` waits for.
  Status finish_launch();
  // Whether somebody waits: an asynchronous call does, and one that brings numbers to the host.
  bool waits() const { return must_wait_ || !downloads_.empty(); }
  void must_wait() { must_wait_ = true; }
  // Until the stream has passed the launch. On the waiting thread, or on the JS thread.
  Status wait(bool on_js_thread);

 private:
  struct Download {
    void* device;
    void* host;
    size_t bytes;
  };

  std::shared_ptr<CudaStream> stream_;
  std::vector<std::shared_ptr<CudaBlock>> blocks_;
  std::vector<void*> temporaries_;
  std::vector<CudaStream::Staging> staging_;
  std::vector<Download> downloads_;
  lap_cuda_event* done_ = nullptr;
  bool must_wait_;
};

}  // namespace lapidary::node

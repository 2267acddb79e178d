#include "node/cuda_call.h"

#include <cstring>

namespace lapidary::node {

CudaCall::~CudaCall() {
  for (void* memory : temporaries_) (void)stream_->on(&CudaObject::free, memory);
  for (const CudaStream::Staging& staging : staging_) stream_->give_back(staging);
  if (done_ != nullptr) stream_->give_back(done_);
}

void CudaCall::use(const std::shared_ptr<CudaBlock>& block) {
  block->used_on(stream_);
  blocks_.push_back(block);
}

Status CudaCall::temporary(size_t bytes, void** out) {
  LAP_TRY(stream_->on(&CudaObject::allocate, bytes, out));
  temporaries_.push_back(*out);
  return ok_status();
}

Status CudaCall::upload(const void* host, size_t bytes, void** out) {
  LAP_TRY(temporary(bytes, out));
  if (bytes == 0) return ok_status();
  // So much pinned memory is not worth keeping, and the driver's own staging does as well.
  if (bytes > CudaStream::kMostStaging) return stream_->on(&CudaObject::upload, *out, host, bytes);
  CudaStream::Staging staging;
  LAP_TRY(stream_->stage(bytes, &staging));
  staging_.push_back(staging);
  std::memcpy(staging.memory, host, bytes);
  return stream_->on(&CudaObject::upload_async, *out, staging.memory, bytes);
}

Status CudaCall::download(size_t bytes, void** device, void** host) {
  LAP_TRY(temporary(bytes, device));
  CudaStream::Staging staging;
  LAP_TRY(stream_->stage(bytes, &staging));
  staging_.push_back(staging);
  *host = staging.memory;
  downloads_.push_back({*device, *host, bytes});
  return ok_status();
}

Status CudaCall::finish_launch() {
  for (const Download& download : downloads_) {
    LAP_TRY(stream_->on(&CudaObject::download_async, download.host, download.device, download.bytes));
  }
  return waits() ? stream_->mark(&done_) : ok_status();
}

Status CudaCall::wait(bool on_js_thread) {
  if (done_ == nullptr) return ok_status();
  return on_js_thread ? stream_->on(&CudaObject::event_synchronize, done_)
                      : stream_->waiting_on(&CudaObject::event_synchronize, done_);
}

}  // namespace lapidary::node

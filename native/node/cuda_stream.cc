#include "node/cuda_stream.h"

#include <algorithm>

namespace lapidary::node {

Status CudaStream::open(const CudaObject& object, int32_t index, std::shared_ptr<CudaStream>* out) {
  const char* reason = "";
  const int32_t count = object.device_count(&reason);
  if (index < 0 || index >= count) {
    const std::string why = count > 0 ? "there are " + std::to_string(count) + " devices" : reason;
    return {LAP_DEVICE_ERROR, "no CUDA device " + std::to_string(index) + ": " + why};
  }
  std::shared_ptr<CudaStream> made(new CudaStream(object, index));
  lap_status code = object.context_create(index, nullptr, &made->here_);
  if (code == LAP_OK) {
    code = object.context_create(index, object.context_stream(made->here_), &made->waiter_);
  }
  if (code == LAP_OUT_OF_MEMORY) return out_of_memory("a context on " + made->device_name());
  if (code != LAP_OK) return {code, "no context could be made on " + made->device_name()};
  *out = std::move(made);
  return ok_status();
}

CudaStream::~CudaStream() {
  if (here_ != nullptr) object_.synchronize(here_);
  for (lap_cuda_event* event : events_) object_.event_destroy(event);
  for (const Staging& staging : staging_) {
    object_.event_destroy(staging.used);
    object_.free_host(here_, staging.memory);
  }
  object_.context_destroy(waiter_);
  object_.context_destroy(here_);
}

Status CudaStream::mark(lap_cuda_event** out) {
  lap_cuda_event* event = nullptr;
  if (!events_.empty()) {
    event = events_.back();
    events_.pop_back();
  } else {
    LAP_TRY(on(&CudaObject::event_create, 0, &event));
  }
  const Status recorded = on(&CudaObject::event_record, event);
  if (!recorded.ok()) {
    events_.push_back(event);
    return recorded;
  }
  *out = event;
  return ok_status();
}

bool CudaStream::passed(lap_cuda_event* event) {
  int32_t answer = 0;
  return on(&CudaObject::event_query, event, &answer).ok() && answer != 0;
}

Status CudaStream::stage(size_t bytes, Staging* out) {
  const auto fits = [&](const Staging& one) { return one.bytes >= bytes && passed(one.used); };
  const auto found = std::find_if(staging_.begin(), staging_.end(), fits);
  if (found != staging_.end()) {
    *out = *found;
    staging_.erase(found);
    events_.push_back(out->used);
    out->used = nullptr;
    return ok_status();
  }
  size_t rounded = size_t{64} << 10;
  while (rounded < bytes) rounded *= 2;
  LAP_TRY(on(&CudaObject::allocate_host, rounded, &out->memory));
  out->bytes = rounded;
  return ok_status();
}

void CudaStream::give_back(Staging staging) {
  if (staging.memory == nullptr) return;
  // Where no event can be had the stream is broken, or there is no memory: waiting is all that is left.
  if (staging.bytes <= kMostStaging && mark(&staging.used).ok()) {
    staging_.push_back(staging);
    return;
  }
  object_.synchronize(here_);
  object_.free_host(here_, staging.memory);
}

}  // namespace lapidary::node

#include "node/cuda_handles.h"

#include <algorithm>

#include "node/environment.h"

namespace lapidary::node {
namespace {

void check(Napi::Env env, const Status& status) {
  if (!status.ok()) throw to_error(env, status, Where::kDevice);
}

// The object, which must have been loaded: lib/kernels/cuda.ts does so before anything else.
const CudaObject& object(Napi::Env env) {
  const CudaObject* found = loaded_cuda();
  if (found == nullptr) throw to_error(env, {LAP_DEVICE_ERROR, "no CUDA object is loaded"}, Where::kDevice);
  return *found;
}

}  // namespace

StreamHandle::StreamHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<StreamHandle>(info) {
  tag_native<StreamHandle>(info.This());
  check(info.Env(), CudaStream::open(object(info.Env()), info[0].ToNumber().Int32Value(), &stream_));
}

const std::shared_ptr<CudaStream>& StreamHandle::of(Napi::Env env, Napi::Value value, const char* name) {
  const StreamHandle* handle = native_of<StreamHandle>(value);
  if (handle == nullptr) throw_argument(env, std::string(name) + " is not a Stream");
  if (handle->stream_ == nullptr) {
    throw to_error(env, wrong_state(std::string(name) + " has been disposed of"));
  }
  return handle->stream_;
}

Napi::Value StreamHandle::address(const Napi::CallbackInfo& info) {
  const auto& stream = of(info.Env(), info.This(), "stream");
  const void* raw = stream->object().context_stream(stream->context());
  return Napi::BigInt::New(info.Env(), static_cast<uint64_t>(reinterpret_cast<uintptr_t>(raw)));
}

Napi::Value StreamHandle::memory(const Napi::CallbackInfo& info) {
  int64_t free_bytes = 0, total = 0;
  check(info.Env(), of(info.Env(), info.This(), "stream")->on(&CudaObject::memory_info, &free_bytes, &total));
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("free", static_cast<double>(free_bytes));
  out.Set("total", static_cast<double>(total));
  return out;
}

Napi::Value StreamHandle::trim(const Napi::CallbackInfo& info) {
  check(info.Env(), of(info.Env(), info.This(), "stream")->on(&CudaObject::trim));
  return info.Env().Undefined();
}

// The stream itself ends when the last tensor and event that were made on it have.
Napi::Value StreamHandle::dispose(const Napi::CallbackInfo& info) {
  stream_.reset();
  return info.Env().Undefined();
}

Napi::Function StreamHandle::define(Napi::Env env) {
  return DefineClass(
      env, "CudaStream",
      {InstanceMethod("address", &StreamHandle::address), InstanceMethod("memory", &StreamHandle::memory),
       InstanceMethod("trim", &StreamHandle::trim), InstanceMethod("dispose", &StreamHandle::dispose)});
}

EventHandle::EventHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EventHandle>(info) {
  tag_native<EventHandle>(info.This());
  event_ = std::make_shared<Event>(StreamHandle::of(info.Env(), info[0], "stream"));
  check(info.Env(), event_->stream->on(&CudaObject::event_create, 1, &event_->event));
}

const std::shared_ptr<EventHandle::Event>& EventHandle::of(Napi::Env env, Napi::Value value,
                                                           const char* name) {
  const EventHandle* handle = native_of<EventHandle>(value);
  if (handle == nullptr) throw_argument(env, std::string(name) + " is not an Event");
  if (handle->event_ == nullptr) {
    throw to_error(env, wrong_state(std::string(name) + " has been disposed of"));
  }
  return handle->event_;
}

Napi::Value EventHandle::record(const Napi::CallbackInfo& info) {
  const auto& event = of(info.Env(), info.This(), "event");
  check(info.Env(),
        StreamHandle::of(info.Env(), info[0], "stream")->on(&CudaObject::event_record, event->event));
  return info.Env().Undefined();
}

Napi::Value EventHandle::wait_on(const Napi::CallbackInfo& info) {
  const auto& event = of(info.Env(), info.This(), "event");
  check(info.Env(),
        StreamHandle::of(info.Env(), info[0], "stream")->on(&CudaObject::event_wait, event->event));
  return info.Env().Undefined();
}

Napi::Value EventHandle::query(const Napi::CallbackInfo& info) {
  const auto& event = of(info.Env(), info.This(), "event");
  int32_t passed = 0;
  check(info.Env(), event->stream->on(&CudaObject::event_query, event->event, &passed));
  return Napi::Boolean::New(info.Env(), passed != 0);
}

Napi::Value EventHandle::elapsed(const Napi::CallbackInfo& info) {
  const auto& event = of(info.Env(), info.This(), "event");
  const auto& from = of(info.Env(), info[0], "since");
  float milliseconds = 0;
  check(info.Env(), event->stream->on(&CudaObject::event_elapsed, from->event, event->event, &milliseconds));
  return Napi::Number::New(info.Env(), milliseconds);
}

Napi::Value EventHandle::dispose(const Napi::CallbackInfo& info) {
  event_.reset();
  return info.Env().Undefined();
}

Napi::Function EventHandle::define(Napi::Env env) {
  return DefineClass(
      env, "CudaEvent",
      {InstanceMethod("record", &EventHandle::record), InstanceMethod("waitOn", &EventHandle::wait_on),
       InstanceMethod("query", &EventHandle::query), InstanceMethod("elapsed", &EventHandle::elapsed),
       InstanceMethod("dispose", &EventHandle::dispose)});
}

PinnedHandle::PinnedHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PinnedHandle>(info) {
  tag_native<PinnedHandle>(info.This());
  Arguments in(info[0].As<Napi::Object>(), false);
  const std::shared_ptr<CudaStream>& stream = in.cuda()->stream();
  const size_t bytes = static_cast<size_t>(in.integer("bytes"));
  void* data = in.host_output("array", bytes);
  if (bytes == 0) return;
  check(info.Env(), stream->on(&CudaObject::register_host, data, bytes));
  stream_ = stream;
  data_ = static_cast<unsigned char*>(data);
  bytes_ = bytes;
  array_ = Napi::Persistent(info[0].As<Napi::Object>().Get("array").As<Napi::Object>());
}

bool PinnedHandle::covers(const void* data, size_t bytes) const {
  const auto* begin = static_cast<const unsigned char*>(data);
  return bytes == 0 || (begin >= data_ && begin + bytes <= data_ + bytes_);
}

void PinnedHandle::used_on(const std::shared_ptr<CudaStream>& stream) {
  const auto same = [&](const std::weak_ptr<CudaStream>& user) { return user.lock() == stream; };
  if (std::none_of(users_.begin(), users_.end(), same)) users_.push_back(stream);
}

void PinnedHandle::release() {
  if (data_ == nullptr) return;
  for (const std::weak_ptr<CudaStream>& user : users_) {
    if (const std::shared_ptr<CudaStream> stream = user.lock()) (void)stream->on(&CudaObject::synchronize);
  }
  (void)stream_->on(&CudaObject::unregister_host, static_cast<void*>(data_));
  data_ = nullptr;
  bytes_ = 0;
  stream_.reset();
  array_.Reset();
}

Napi::Value PinnedHandle::dispose(const Napi::CallbackInfo& info) {
  release();
  return info.Env().Undefined();
}

Napi::Function PinnedHandle::define(Napi::Env env) {
  return DefineClass(env, "CudaPinned", {InstanceMethod("dispose", &PinnedHandle::dispose)});
}

}  // namespace lapidary::node

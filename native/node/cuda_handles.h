// The JS classes over streams, events and pinned memory, and how a JS value is told from any other object.
#pragma once

#include <memory>
#include <vector>

#include "node/cuda_stream.h"
#include "node/setup.h"

namespace lapidary::node {

// The class of a native object is written into it: `instanceof` could be deceived, and an object of a wrong
// class would be read as what it is not.
template <class T>
constexpr napi_type_tag tag_of();

template <class T>
void tag_native(Napi::Value object) {
  const napi_type_tag tag = tag_of<T>();
  object.As<Napi::Object>().TypeTag(&tag);
}

// NULL where the value is no T.
template <class T>
T* native_of(Napi::Value value) {
  const napi_type_tag tag = tag_of<T>();
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&tag)) return nullptr;
  return T::Unwrap(value.As<Napi::Object>());
}

// new CudaStream(device): {address, memory, trim, record, wait, dispose}
class StreamHandle : public Napi::ObjectWrap<StreamHandle> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit StreamHandle(const Napi::CallbackInfo& info);
  // The stream of an argument; throws where it is none, or was disposed of.
  static const std::shared_ptr<CudaStream>& of(Napi::Env env, Napi::Value value, const char* name);

 private:
  Napi::Value address(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);
  Napi::Value trim(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  std::shared_ptr<CudaStream> stream_;
};

// new CudaEvent(stream): {record, waitOn, query, elapsed, dispose}
class EventHandle : public Napi::ObjectWrap<EventHandle> {
 public:
  struct Event {
    explicit Event(std::shared_ptr<CudaStream> made_on) : stream(std::move(made_on)) {}
    ~Event() { stream->object().event_destroy(event); }
    std::shared_ptr<CudaStream> stream;
    lap_cuda_event* event = nullptr;
  };

  static Napi::Function define(Napi::Env env);
  explicit EventHandle(const Napi::CallbackInfo& info);
  static const std::shared_ptr<Event>& of(Napi::Env env, Napi::Value value, const char* name);

 private:
  Napi::Value record(const Napi::CallbackInfo& info);
  Napi::Value wait_on(const Napi::CallbackInfo& info);
  Napi::Value query(const Napi::CallbackInfo& info);
  Napi::Value elapsed(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  std::shared_ptr<Event> event_;
};

// new CudaPinned({stream, array}): pins the array's memory, which it keeps alive; {dispose}
class PinnedHandle : public Napi::ObjectWrap<PinnedHandle> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit PinnedHandle(const Napi::CallbackInfo& info);
  ~PinnedHandle() override { release(); }

  // Whether these bytes are pinned, now.
  bool covers(const void* data, size_t bytes) const;
  // Copies of this stream may be under way until it has been waited for.
  void used_on(const std::shared_ptr<CudaStream>& stream);

 private:
  Napi::Value dispose(const Napi::CallbackInfo& info);
  void release();

  std::shared_ptr<CudaStream> stream_;
  std::vector<std::weak_ptr<CudaStream>> users_;
  Napi::ObjectReference array_;
  unsigned char* data_ = nullptr;
  size_t bytes_ = 0;
};

class CudaMemory;
// Random numbers, written once.
template <>
constexpr napi_type_tag tag_of<StreamHandle>() {
  return {0x5c1f0a4be3d94e71, 0x9a60c2d7f18b3355};
}
template <>
constexpr napi_type_tag tag_of<EventHandle>() {
  return {0x21b7c96d08ea4f3c, 0xb4d35e9a7710c8f2};
}
template <>
constexpr napi_type_tag tag_of<PinnedHandle>() {
  return {0xe80d37f5a2b14c96, 0x8f1264bd90ce7a43};
}
template <>
constexpr napi_type_tag tag_of<CudaMemory>() {
  return {0x7d92e1b04f6a4853, 0xa3c85f0e62d719bb};
}

}  // namespace lapidary::node

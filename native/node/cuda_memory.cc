#include "node/cuda_memory.h"

#include <algorithm>
#include <cstring>

#include "node/cuda_handles.h"
#include "node/environment.h"

namespace lapidary::node {

Status CudaBlock::allocate(std::shared_ptr<CudaStream> stream, Kind kind, size_t bytes,
                           std::shared_ptr<CudaBlock>* out) {
  void* data = nullptr;
  LAP_TRY(kind == Kind::kPool ? stream->on(&CudaObject::allocate, bytes, &data)
                              : stream->on(&CudaObject::allocate_shareable, bytes, &data));
  *out = std::make_shared<CudaBlock>(std::move(stream), kind, data, bytes);
  return ok_status();
}

Status CudaBlock::open(std::shared_ptr<CudaStream> stream, const lap_cuda_ipc_handle& handle, size_t bytes,
                       std::shared_ptr<CudaBlock>* out) {
  void* data = nullptr;
  LAP_TRY(stream->on(&CudaObject::ipc_open, &handle, &data));
  *out = std::make_shared<CudaBlock>(std::move(stream), Kind::kImported, data, bytes);
  return ok_status();
}

void CudaBlock::used_on(const std::shared_ptr<CudaStream>& other) {
  if (other == stream_) return;
  const auto same = [&](const std::weak_ptr<CudaStream>& user) { return user.lock() == other; };
  if (std::none_of(users_.begin(), users_.end(), same)) users_.push_back(other);
}

// Whatever fails here, there is nobody to tell, and the stream's next call fails as well.
CudaBlock::~CudaBlock() {
  for (const std::weak_ptr<CudaStream>& user : users_) {
    // A stream that is gone has waited for its work.
    const std::shared_ptr<CudaStream> other = user.lock();
    lap_cuda_event* event = nullptr;
    if (other == nullptr || !other->mark(&event).ok()) continue;
    (void)stream_->on(&CudaObject::event_wait, event);
    other->give_back(event);
  }
  switch (kind_) {
    case Kind::kPool:
      (void)stream_->on(&CudaObject::free, data_);
      break;
    case Kind::kShareable:
      (void)stream_->on(&CudaObject::free_shareable, data_);
      break;
    case Kind::kImported:
      (void)stream_->on(&CudaObject::ipc_close, data_);
      break;
  }
}

CudaMemory* CudaMemory::from(Napi::Value value) { return native_of<CudaMemory>(value); }

CudaMemory::CudaMemory(const Napi::CallbackInfo& info) : Napi::ObjectWrap<CudaMemory>(info) {
  tag_native<CudaMemory>(info.This());
  // A view is made empty, and filled by who makes it.
  if (info.Length() < 1 || !info[0].IsObject()) return;
  const Status status = open(info[0].As<Napi::Object>());
  if (!status.ok()) throw to_error(info.Env(), status, Where::kDevice);
}

// {stream, bytes, kind: "pool" | "shareable" | "imported", fill?: byte, handle?, offset?}
Status CudaMemory::open(Napi::Object options) {
  Arguments in(options, false);
  const std::shared_ptr<CudaStream>& stream = in.cuda()->stream();
  const int64_t bytes = in.integer("bytes"), offset = in.has("offset") ? in.integer("offset") : 0;
  if (bytes < 0 || offset < 0) throw_argument(in.env(), "bytes is negative; expected 0 or more");
  bytes_ = static_cast<size_t>(bytes);
  offset_ = static_cast<size_t>(offset);
  device_name_ = stream->device_name();
  const std::string kind = in.text("kind");
  std::shared_ptr<CudaBlock> made;
  if (kind == "imported") {
    lap_cuda_ipc_handle handle;
    std::memcpy(handle.bytes, in.host_input("handle", sizeof handle.bytes), sizeof handle.bytes);
    LAP_TRY(CudaBlock::open(stream, handle, bytes_ + offset_, &made));
  } else {
    const auto of = kind == "pool" ? CudaBlock::Kind::kPool : CudaBlock::Kind::kShareable;
    LAP_TRY(CudaBlock::allocate(stream, of, bytes_, &made));
  }
  if (in.has("fill")) LAP_TRY(stream->on(&CudaObject::fill, made->data(), in.int32("fill"), bytes_));
  allocation_ = std::make_shared<CudaAllocation>(in.env(), std::move(made));
  return ok_status();
}

// view(offset, bytes): a range of this range.
Napi::Value CudaMemory::view(const Napi::CallbackInfo& info) {
  const double offset = info[0].ToNumber().DoubleValue(), bytes = info[1].ToNumber().DoubleValue();
  if (!(offset >= 0 && bytes >= 0 && offset + bytes <= static_cast<double>(bytes_))) {
    throw_argument(info.Env(), "view reaches outside the memory");
  }
  Napi::Object made = environment(info.Env()).cuda_memory.New({});
  CudaMemory* part = CudaMemory::from(made);
  part->allocation_ = allocation_;
  part->device_name_ = device_name_;
  part->offset_ = offset_ + static_cast<size_t>(offset);
  part->bytes_ = static_cast<size_t>(bytes);
  return made;
}

Napi::Value CudaMemory::dispose(const Napi::CallbackInfo& info) {
  if (allocation_ != nullptr) allocation_->dispose();
  return info.Env().Undefined();
}

// {alive, address}
Napi::Value CudaMemory::describe(const Napi::CallbackInfo& info) {
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("alive", Napi::Boolean::New(info.Env(), alive()));
  const uint64_t address = alive() ? static_cast<uint64_t>(reinterpret_cast<uintptr_t>(data())) : 0;
  out.Set("address", Napi::BigInt::New(info.Env(), address));
  return out;
}

// {handle, offset}
Napi::Value CudaMemory::share(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!alive()) throw to_error(env, wrong_state("tensor has been disposed of"));
  if (block()->kind() != CudaBlock::Kind::kShareable) {
    throw to_error(env, wrong_state("tensor is not shareable; expected one of Tensor.alloc with shareable"));
  }
  lap_cuda_ipc_handle handle{};
  const Status status = block()->stream()->on(&CudaObject::ipc_export, block()->data(), &handle);
  if (!status.ok()) throw to_error(env, status, Where::kDevice);
  Napi::Uint8Array bytes = Napi::Uint8Array::New(env, sizeof handle.bytes);
  std::memcpy(bytes.Data(), handle.bytes, sizeof handle.bytes);
  Napi::Object out = Napi::Object::New(env);
  out.Set("handle", bytes);
  out.Set("offset", static_cast<double>(offset_));
  return out;
}

Napi::Function CudaMemory::define(Napi::Env env) {
  return DefineClass(
      env, "CudaMemory",
      {InstanceMethod("view", &CudaMemory::view), InstanceMethod("dispose", &CudaMemory::dispose),
       InstanceMethod("describe", &CudaMemory::describe), InstanceMethod("share", &CudaMemory::share)});
}

}  // namespace lapidary::node

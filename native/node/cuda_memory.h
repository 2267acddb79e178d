// Device memory with an owner in JavaScript. All of it happens on the JS thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "node/cuda_stream.h"
#include "node/external_memory.h"

namespace lapidary::node {

// Memory of a device. It is freed, in the order of its stream, by whoever lets go of it last: the tensor, or
// a call that is still to be waited for.
class CudaBlock {
 public:
  enum class Kind { kPool, kShareable, kImported };
  static Status allocate(std::shared_ptr<CudaStream> stream, Kind kind, size_t bytes,
                         std::shared_ptr<CudaBlock>* out);
  static Status open(std::shared_ptr<CudaStream> stream, const lap_cuda_ipc_handle& handle, size_t bytes,
                     std::shared_ptr<CudaBlock>* out);
  CudaBlock(std::shared_ptr<CudaStream> stream, Kind kind, void* data, size_t bytes)
      : stream_(std::move(stream)), kind_(kind), data_(data), bytes_(bytes) {}
  CudaBlock(const CudaBlock&) = delete;
  ~CudaBlock();

  const std::shared_ptr<CudaStream>& stream() const { return stream_; }
  Kind kind() const { return kind_; }
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  // Work of another stream has been given this memory: freeing it will wait for that.
  void used_on(const std::shared_ptr<CudaStream>& other);

 private:
  std::shared_ptr<CudaStream> stream_;
  Kind kind_;
  void* data_;
  size_t bytes_;
  std::vector<std::weak_ptr<CudaStream>> users_;
};

// What a tensor and its slices share: the block, until it is disposed of.
struct CudaAllocation {
  CudaAllocation(Napi::Env env, std::shared_ptr<CudaBlock> made) : block(std::move(made)), reported(env) {
    reported.grow(static_cast<int64_t>(block->bytes()));
  }
  void dispose() {
    if (block != nullptr) reported.grow(-static_cast<int64_t>(block->bytes()));
    block.reset();
  }

  std::shared_ptr<CudaBlock> block;
  // The collector should see what small objects hold on a device, since it frees what nobody disposed of.
  ExternalMemory reported;
};

// A range of an allocation, as JS has it: CudaMemory {view, dispose, describe, export}.
class CudaMemory : public Napi::ObjectWrap<CudaMemory> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit CudaMemory(const Napi::CallbackInfo& info);

  // The native half of a JS value; NULL where it is something else.
  static CudaMemory* from(Napi::Value value);
  bool alive() const { return allocation_ != nullptr && allocation_->block != nullptr; }
  const std::shared_ptr<CudaBlock>& block() const { return allocation_->block; }
  void* data() const { return static_cast<unsigned char*>(block()->data()) + offset_; }
  size_t bytes() const { return bytes_; }
  const std::string& device_name() const { return device_name_; }

 private:
  Napi::Value view(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
  Napi::Value describe(const Napi::CallbackInfo& info);
  Napi::Value share(const Napi::CallbackInfo& info);
  Status open(Napi::Object options);

  std::shared_ptr<CudaAllocation> allocation_;
  std::string device_name_;
  size_t offset_ = 0, bytes_ = 0;
};

}  // namespace lapidary::node

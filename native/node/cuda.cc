// Devices, copies and waiting as JS functions. Those that are told to have (arguments, cancel?) behave as the
// kernels do: a promise where `cancel` is given.
#include "node/calls.h"
#include "node/cuda_handles.h"
#include "node/kernels.h"

namespace lapidary::node {
namespace {

Napi::Object describe_device(Napi::Env env, const CudaObject& object, int32_t index) {
  lap_cuda_device device{};
  device.struct_size = sizeof device;
  Napi::Object out = Napi::Object::New(env);
  if (object.device_describe(index, &device) != LAP_OK) return out;
  out.Set("name", device.name);
  out.Set("computeCapability", std::to_string(device.major) + "." + std::to_string(device.minor));
  out.Set("multiprocessors", device.multiprocessors);
  out.Set("memoryBytes", static_cast<double>(device.memory_bytes));
  return out;
}

// cudaOpen(path): loads the object and says what it finds. {path, driver, runtime, devices, reason}; never
// throws for want of any of them, and makes no context.
Napi::Value open(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Object out = Napi::Object::New(env);
  Napi::Array devices = Napi::Array::New(env);
  out.Set("devices", devices);
  std::string failure;
  const CudaObject* object = load_cuda(info[0].ToString().Utf8Value(), &failure);
  if (object == nullptr) {
    out.Set("path", env.Null());
    out.Set("reason", failure);
    return out;
  }
  int32_t driver = 0, runtime = 0;
  object->versions(&driver, &runtime);
  const char* reason = "";
  const int32_t count = object->device_count(&reason);
  for (int32_t i = 0; i < count; ++i) {
    devices.Set(static_cast<uint32_t>(i), describe_device(env, *object, i));
  }
  out.Set("path", object->path);
  out.Set("driver", driver);
  out.Set("runtime", runtime);
  out.Set("reason", reason);
  return out;
}

// A copy between host and device, by whoever runs it: the JS thread, or the one that waits.
using Copy = std::function<Status(CudaStream&, bool on_js_thread)>;

std::function<Status(const int32_t*)> copy_now_or_later(Job& job, const Copy& copy) {
  CudaCall& cuda = *job.arguments.cuda();
  cuda.must_wait();
  job.arguments.runs_later();
  return [stream = cuda.stream(), copy, async = job.async](const int32_t*) { return copy(*stream, !async); };
}

// Pinned memory of the argument `pinned`, which must hold these bytes; NULL where there is none.
PinnedHandle* pinned_of(Arguments& in, Napi::Value value, const void* data, size_t bytes) {
  if (!in.has("pinned")) return nullptr;
  PinnedHandle* pinned = native_of<PinnedHandle>(value);
  if (pinned == nullptr || !pinned->covers(data, bytes)) {
    throw to_error(in.env(), wrong_state("tensor has been disposed of"));
  }
  pinned->used_on(in.cuda()->stream());
  return pinned;
}

// {stream, device, host, bytes, pinned?}: from the host to the device.
Napi::Value upload(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) -> std::function<Status(const int32_t*)> {
    Arguments& in = job.arguments;
    const size_t bytes = static_cast<size_t>(in.integer("bytes"));
    void* device = in.device_output("device", bytes);
    const void* host = in.host_input("host", bytes);
    CudaCall* cuda = in.cuda();
    if (pinned_of(in, info[0].As<Napi::Object>().Get("pinned"), host, bytes) != nullptr) {
      job.launch = [=]() -> Status {
        LAP_TRY(cuda->stream()->on(&CudaObject::upload_async, device, host, bytes));
        return cuda->finish_launch();
      };
      return [cuda, async = job.async](const int32_t*) { return cuda->wait(!async); };
    }
    return copy_now_or_later(job, [=](CudaStream& stream, bool here) {
      return here ? stream.on(&CudaObject::upload, device, host, bytes)
                  : stream.waiting_on(&CudaObject::upload, device, host, bytes);
    });
  });
}

// {stream, device, host, bytes, pinned?}: from the device to the host; waits for it even in pinned memory.
Napi::Value download(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) -> std::function<Status(const int32_t*)> {
    Arguments& in = job.arguments;
    const size_t bytes = static_cast<size_t>(in.integer("bytes"));
    const void* device = in.device_input("device", bytes);
    void* host = in.host_output("host", bytes);
    CudaCall* cuda = in.cuda();
    cuda->must_wait();
    if (pinned_of(in, info[0].As<Napi::Object>().Get("pinned"), host, bytes) != nullptr) {
      job.launch = [=]() -> Status {
        LAP_TRY(cuda->stream()->on(&CudaObject::download_async, host, device, bytes));
        return cuda->finish_launch();
      };
      return [cuda, async = job.async](const int32_t*) { return cuda->wait(!async); };
    }
    return copy_now_or_later(job, [=](CudaStream& stream, bool here) {
      return here ? stream.on(&CudaObject::download, host, device, bytes)
                  : stream.waiting_on(&CudaObject::download, host, device, bytes);
    });
  });
}

// {stream, to, from, bytes}: between device memories, put on the stream.
Napi::Value copy(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) -> std::function<Status(const int32_t*)> {
    Arguments& in = job.arguments;
    const size_t bytes = static_cast<size_t>(in.integer("bytes"));
    void* to = in.device_output("to", bytes);
    const void* from = in.device_input_anywhere("from", bytes);
    CudaCall* cuda = in.cuda();
    job.launch = [=]() -> Status {
      LAP_TRY(cuda->stream()->on(&CudaObject::copy, to, from, bytes));
      return cuda->finish_launch();
    };
    return [cuda, async = job.async](const int32_t*) { return cuda->wait(!async); };
  });
}

// {stream, event?}: until the stream has passed all that is on it, or the event.
Napi::Value synchronize(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) -> std::function<Status(const int32_t*)> {
    CudaCall* cuda = job.arguments.cuda();
    cuda->must_wait();
    if (!job.arguments.has("event")) {
      job.launch = [=] { return cuda->finish_launch(); };
      return [cuda, async = job.async](const int32_t*) { return cuda->wait(!async); };
    }
    const auto event = EventHandle::of(info.Env(), info[0].As<Napi::Object>().Get("event"), "event");
    return [cuda, event, async = job.async](const int32_t*) {
      return async ? cuda->stream()->waiting_on(&CudaObject::event_synchronize, event->event)
                   : cuda->stream()->on(&CudaObject::event_synchronize, event->event);
    };
  });
}

// {stream, rows, vocab, dtype}: bytes of the logits that a linear forward keeps on the device.
Napi::Value kept_bytes(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments in(info[0].As<Napi::Object>(), false);
  size_t bytes = 0;
  const Status status = in.cuda()->stream()->on(&CudaObject::linear_logprobs_kept_bytes, in.integer("rows"),
                                                in.integer("vocab"), dtype_of(in), &bytes);
  if (!status.ok()) throw to_error(env, status, Where::kDevice);
  return Napi::Number::New(env, static_cast<double>(bytes));
}

// addressOf(array): where a typed array's memory is.
Napi::Value address_of(const Napi::CallbackInfo& info) {
  Napi::Object holder = Napi::Object::New(info.Env());
  holder.Set("array", info[0]);
  Arguments in(holder, false);
  const uintptr_t address = reinterpret_cast<uintptr_t>(in.host_input("array", 0));
  return Napi::BigInt::New(info.Env(), static_cast<uint64_t>(address));
}

}  // namespace

void export_cuda(Napi::Env env, Napi::Object exports) {
  Napi::Function memory = CudaMemory::define(env);
  environment(env).cuda_memory = Napi::Persistent(memory);
  exports.Set("CudaMemory", memory);
  exports.Set("CudaStream", StreamHandle::define(env));
  exports.Set("CudaEvent", EventHandle::define(env));
  exports.Set("CudaPinned", PinnedHandle::define(env));
  exports.Set("cudaOpen", Napi::Function::New(env, open));
  exports.Set("cudaUpload", Napi::Function::New(env, upload));
  exports.Set("cudaDownload", Napi::Function::New(env, download));
  exports.Set("cudaCopy", Napi::Function::New(env, copy));
  exports.Set("cudaSynchronize", Napi::Function::New(env, synchronize));
  exports.Set("cudaKeptBytes", Napi::Function::New(env, kept_bytes));
  exports.Set("addressOf", Napi::Function::New(env, address_of));
}

}  // namespace lapidary::node

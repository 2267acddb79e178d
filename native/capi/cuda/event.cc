#include "capi/cuda/context.h"

using namespace lapidary;
using cuda::as_status;
using cuda::guarded;

struct lap_cuda_event {
  cudaEvent_t event;
};

namespace {

template <class Call>
lap_status with_event(lap_cuda_context* ctx, lap_cuda_event* event, const Call& call) {
  return guarded(ctx, [&]() -> Status {
    if (event == nullptr) return invalid("event is NULL; expected one of lap_cuda_event_create");
    return call();
  });
}

}  // namespace

lap_status lap_cuda_event_create(lap_cuda_context* ctx, int32_t timed, lap_cuda_event** out) {
  return guarded(ctx, [&]() -> Status {
    if (out == nullptr) return invalid("out is NULL; expected a place for the event");
    *out = nullptr;
    // Whoever waits sleeps: a thread that spins would take a core from the CPU's own kernels.
    const unsigned flags = cudaEventBlockingSync | (timed ? 0u : cudaEventDisableTiming);
    cudaEvent_t made = nullptr;
    LAP_TRY(as_status(cudaEventCreateWithFlags(&made, flags), "creating an event"));
    *out = new (std::nothrow) lap_cuda_event{made};
    if (*out != nullptr) return ok_status();
    cudaEventDestroy(made);
    return out_of_memory("an event");
  });
}

void lap_cuda_event_destroy(lap_cuda_event* event) {
  if (event == nullptr) return;
  if (cudaEventDestroy(event->event) != cudaSuccess) cudaGetLastError();
  delete event;
}

lap_status lap_cuda_event_record(lap_cuda_context* ctx, lap_cuda_event* event) {
  return with_event(ctx, event, [&] {
    return as_status(cudaEventRecord(event->event, ctx->stream), "recording an event");
  });
}

lap_status lap_cuda_event_wait(lap_cuda_context* ctx, lap_cuda_event* event) {
  return with_event(ctx, event, [&] {
    return as_status(cudaStreamWaitEvent(ctx->stream, event->event, 0), "letting a stream wait");
  });
}

lap_status lap_cuda_event_query(lap_cuda_context* ctx, lap_cuda_event* event, int32_t* passed) {
  return with_event(ctx, event, [&]() -> Status {
    if (passed == nullptr) return invalid("passed is NULL; expected a place for the answer");
    const cudaError_t error = cudaEventQuery(event->event);
    *passed = error == cudaSuccess;
    if (error != cudaErrorNotReady) return as_status(error, "asking for an event");
    cudaGetLastError();
    return ok_status();
  });
}

lap_status lap_cuda_event_synchronize(lap_cuda_context* ctx, lap_cuda_event* event) {
  return with_event(ctx, event,
                    [&] { return as_status(cudaEventSynchronize(event->event), "waiting for an event"); });
}

lap_status lap_cuda_event_elapsed(lap_cuda_context* ctx, lap_cuda_event* from, lap_cuda_event* to,
                                  float* milliseconds) {
  return with_event(ctx, from, [&]() -> Status {
    if (to == nullptr || milliseconds == nullptr) return invalid("to or milliseconds is NULL");
    return as_status(cudaEventElapsedTime(milliseconds, from->event, to->event), "the time between events");
  });
}

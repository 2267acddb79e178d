// What the kernel operations share on their way from JS to the C ABI. No maths here.
#pragma once

#include <memory>
#include <mutex>
#include <new>
#include <string>

#include "core/checked.h"
#include "node/environment.h"

namespace lapidary::node {

inline lap_dtype dtype_of(const Arguments& in, const char* argument = "dtype") {
  const std::string name = in.text(argument);
  if (name == "f32") return LAP_F32;
  if (name == "bf16") return LAP_BF16;
  if (name == "f16") return LAP_F16;
  throw_argument(in.env(),
                 std::string(argument) + " is \"" + name + "\"; expected \"f32\", \"bf16\" or \"f16\"");
}

// Elements that [rows, columns] with this stride touches; a size that does not fit is an argument error.
inline int64_t extent(const Arguments& in, int64_t rows, int64_t stride, int64_t columns) {
  if (rows <= 0 || columns <= 0) return 0;
  int64_t elements = 0;
  if (stride < columns || !multiply_checked(rows - 1, stride, &elements) || elements > INT64_MAX / 2) {
    throw_argument(in.env(), "a matrix of " + std::to_string(rows) + " rows, " + std::to_string(stride) +
                                 " elements apart and " + std::to_string(columns) + " wide, is not possible");
  }
  return elements + columns;
}

// A C call with the job's cancel flag set; its status as ours.
template <class Args>
Status run(lap_context* ctx, const int32_t* cancel, lap_status (*function)(lap_context*, const Args*),
           const Args& args) {
  lap_context_set_cancel(ctx, cancel);
  const lap_status code = function(ctx, &args);
  lap_context_set_cancel(ctx, nullptr);
  return {code, lap_error_message(ctx)};
}

// Wraps a C call as a job's work, which holds the context. The context is looked up when the job runs, since
// it may have been replaced after the call was queued.
template <class Args>
std::function<Status(const int32_t*)> call(Environment& owner,
                                           lap_status (*function)(lap_context*, const Args*),
                                           const Args& args) {
  return [&owner, function, args](const int32_t* cancel) -> Status {
    std::lock_guard<std::mutex> lock(owner.context_mutex);
    return run(owner.context, cancel, function, args);
  };
}

// The same for a call that needs a workspace. Its size depends on the context, so it is asked for when the
// job runs; asking when it is queued would make the event loop wait for the job that holds the context.
template <class Args>
std::function<Status(const int32_t*)> call(Environment& owner,
                                           lap_status (*function)(lap_context*, const Args*),
                                           lap_status (*query)(lap_context*, const Args*, size_t*),
                                           const Args& args) {
  return [&owner, function, query, args](const int32_t* cancel) -> Status {
    std::lock_guard<std::mutex> lock(owner.context_mutex);
    Args own = args;
    const lap_status code = query(owner.context, &own, &own.workspace_bytes);
    if (code != LAP_OK) return {code, lap_error_message(owner.context)};
    std::unique_ptr<unsigned char[]> workspace(new (std::nothrow) unsigned char[own.workspace_bytes]);
    if (workspace == nullptr)
      return out_of_memory("a workspace of " + std::to_string(own.workspace_bytes) + " bytes");
    own.workspace = workspace.get();
    return run(owner.context, cancel, function, own);
  };
}

template <class Args>
void read_rows(Arguments& in, Args* args) {
  args->struct_size = sizeof *args;
  args->dtype = dtype_of(in);
  args->rows = in.integer("rows");
  args->vocab = in.integer("vocab");
  args->ignore_index = in.int32("ignoreIndex");
  args->transform.temperature = static_cast<float>(in.number("temperature"));
  args->transform.temperatures = in.optional_floats("temperatures", args->rows);
  args->transform.softcap = static_cast<float>(in.number("softcap"));
  args->targets = in.ints("targets", args->rows);
}

}  // namespace lapidary::node

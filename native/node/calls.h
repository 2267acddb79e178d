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

// One operation of the C ABI on both sides. A workspace is asked for where there is a query.
template <class Args>
struct Operation {
  lap_status (*cpu)(lap_context*, const Args*);
  lap_status (*CudaObject::*cuda)(lap_cuda_context*, const Args*);
  lap_status (*cpu_workspace)(lap_context*, const Args*, size_t*) = nullptr;
  lap_status (*CudaObject::*cuda_workspace)(lap_cuda_context*, const Args*, size_t*) = nullptr;
};

// On the CPU the size of a workspace depends on the context, so it is asked for when the job runs; asking
// when it is queued would make the event loop wait for the job that holds the context.
template <class Args>
Status run_on_cpu(Environment& owner, const int32_t* cancel, const Operation<Args>& operation, Args args) {
  std::lock_guard<std::mutex> lock(owner.context_mutex);
  std::unique_ptr<unsigned char[]> workspace;
  if constexpr (requires { args.workspace; }) {
    if (operation.cpu_workspace != nullptr) {
      const lap_status code = operation.cpu_workspace(owner.context, &args, &args.workspace_bytes);
      if (code != LAP_OK) return {code, lap_error_message(owner.context)};
      workspace.reset(new (std::nothrow) unsigned char[args.workspace_bytes]);
      if (workspace == nullptr)
        return out_of_memory("a workspace of " + std::to_string(args.workspace_bytes) + " bytes");
      args.workspace = workspace.get();
    }
  }
  return run(owner.context, cancel, operation.cpu, args);
}

// The job's work. On the CPU it is the call, which holds the context; that is looked up when the job runs,
// since it may have been replaced after the call was queued. On a device the call is put on the stream when
// it is made, and the work is to wait for it.
template <class Args>
std::function<Status(const int32_t*)> call(Job& job, const Operation<Args>& operation, const Args& args) {
  if (CudaCall* cuda = job.arguments.cuda()) {
    job.launch = [cuda, operation, args] {
      return cuda->launch(operation.cuda, operation.cuda_workspace, args);
    };
    return [cuda, async = job.async](const int32_t*) { return cuda->wait(!async); };
  }
  Environment& owner = environment(job.arguments.env());
  owner.kernels(job.arguments.env());
  return
      [&owner, operation, args](const int32_t* cancel) { return run_on_cpu(owner, cancel, operation, args); };
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

// Rows of logits, and their targets and transform.
template <class Args>
void read_logits(Arguments& in, Args* args) {
  read_rows(in, args);
  args->row_stride = in.integer("rowStride");
  args->logits = in.matrix("logits", args->dtype, extent(in, args->rows, args->row_stride, args->vocab));
}

// Where their gradient goes.
template <class Args>
void read_dlogits(Arguments& in, Args* args) {
  args->dlogits_stride = in.integer("dlogitsStride");
  args->dlogits =
      in.matrix_output("dlogits", args->dtype, extent(in, args->rows, args->dlogits_stride, args->vocab));
  in.in_place("dlogits", "logits");
}

// What a backward takes from the forward and from the loss, and its gradient.
template <class Args>
void read_backward(Arguments& in, Args* args) {
  args->logp = in.floats("logp", args->rows);
  args->lse = in.floats("lse", args->rows);
  args->dlogp = in.floats("dlogp", args->rows);
  args->entropy = in.optional_floats("entropy", args->rows);
  args->dentropy = in.optional_floats("dentropy", args->rows);
  read_dlogits(in, args);
}

}  // namespace lapidary::node

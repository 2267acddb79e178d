// The divergences as JS functions: (arguments, cancel?) -> undefined or a promise of it.
#include "node/calls.h"
#include "node/kernels.h"

namespace lapidary::node {
namespace {

lap_logit_transform transform_of(Arguments& in, const std::string& side, int64_t rows) {
  lap_logit_transform transform{};
  transform.temperature = static_cast<float>(in.number((side + "Temperature").c_str()));
  transform.temperatures = in.optional_floats((side + "Temperatures").c_str(), rows);
  transform.softcap = static_cast<float>(in.number((side + "Softcap").c_str()));
  return transform;
}

template <class Args>
void read_both(Arguments& in, Args* args) {
  args->struct_size = sizeof *args;
  args->kind = static_cast<lap_divergence_kind>(in.int32("kind"));
  args->beta = static_cast<float>(in.number("beta"));
  args->rows = in.integer("rows");
  args->vocab = in.integer("vocab");
  args->student_dtype = dtype_of(in, "studentDtype");
  args->student_stride = in.integer("studentStride");
  args->student =
      in.matrix("student", args->student_dtype, extent(in, args->rows, args->student_stride, args->vocab));
  args->student_transform = transform_of(in, "student", args->rows);
  args->teacher_dtype = dtype_of(in, "teacherDtype");
  args->teacher_stride = in.integer("teacherStride");
  args->teacher =
      in.matrix("teacher", args->teacher_dtype, extent(in, args->rows, args->teacher_stride, args->vocab));
  args->teacher_transform = transform_of(in, "teacher", args->rows);
  args->mask = in.optional_bytes("mask", args->rows);
  args->value = in.float_output("value", args->rows);
}

Napi::Value divergence(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    lap_divergence_args args{};
    read_both(job.arguments, &args);
    return call(job, {lap_divergence, &CudaObject::divergence}, args);
  });
}

Napi::Value divergence_with_gradient(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    Arguments& in = job.arguments;
    lap_divergence_with_gradient_args args{};
    read_both(in, &args);
    args.row_weights = in.optional_floats("rowWeights", args.rows);
    args.dstudent_stride = in.integer("dstudentStride");
    args.dstudent = in.matrix_output("dstudent", args.student_dtype,
                                     extent(in, args.rows, args.dstudent_stride, args.vocab));
    in.in_place("dstudent", "student");
    return call(job, {lap_divergence_with_gradient, &CudaObject::divergence_with_gradient}, args);
  });
}

}  // namespace

void export_divergence(Napi::Env env, Napi::Object exports) {
  exports.Set("divergence", Napi::Function::New(env, divergence));
  exports.Set("divergenceWithGradient", Napi::Function::New(env, divergence_with_gradient));
}

}  // namespace lapidary::node

#include "cuda/linear_logprobs.h"

#include "capi/cuda/context.h"
#include "capi/linear_logprobs_checks.h"

using namespace lapidary;

namespace {

// Looked up at the first use: it takes a tenth of a second, and most contexts need none.
cuda::Gemm& gemm_of(lap_cuda_context* ctx) {
  if (ctx->gemm == nullptr) ctx->gemm = std::make_unique<cuda::Gemm>();
  return *ctx->gemm;
}

Status check_kept(const void* kept, size_t given, int64_t rows, int64_t vocab, lap_dtype dtype) {
  if (kept == nullptr) return ok_status();
  size_t needed = 0;
  if (cuda::linear_kept_bytes(rows, vocab, dtype, &needed) && given >= needed) return ok_status();
  return invalid("kept_bytes is " + std::to_string(given) +
                 "; expected what lap_cuda_linear_logprobs_kept_bytes says for " + std::to_string(rows) +
                 " rows and a vocabulary of " + std::to_string(vocab) + ", or more");
}

template <class Args>
lap_status ask_size(lap_cuda_context* ctx, const Args* args, size_t* bytes,
                    size_t (*size)(const cuda::Gemm&, const Args&)) {
  return cuda::guarded(ctx, [&]() -> Status {
    LAP_TRY(check_linear_logprobs(args, true, false));
    LAP_TRY(not_null(bytes, "bytes"));
    *bytes = size(gemm_of(ctx), *args);
    return ok_status();
  });
}

template <class Args, class Run>
lap_status run_checked(lap_cuda_context* ctx, const Args* args,
                       size_t (*size)(const cuda::Gemm&, const Args&), const Run& run) {
  return cuda::guarded(ctx, [&]() -> Status {
    LAP_TRY(check_linear_logprobs(args, false, false));
    LAP_TRY(check_kept(args->kept, args->kept_bytes, args->rows, args->vocab, args->dtype));
    cuda::Gemm& gemm = gemm_of(ctx);
    LAP_TRY(check_workspace(args->workspace, args->workspace_bytes, size(gemm, *args)));
    return run(gemm);
  });
}

}  // namespace

const char* lap_cuda_context_gemm(lap_cuda_context* ctx) {
  if (ctx == nullptr) return "";
  const lap_status status = cuda::guarded(ctx, [&]() -> Status {
    gemm_of(ctx);
    return ok_status();
  });
  return status == LAP_OK ? ctx->gemm->description().c_str() : "";
}

lap_status lap_cuda_linear_logprobs_kept_bytes(lap_cuda_context* ctx, int64_t rows, int64_t vocab,
                                               lap_dtype dtype, size_t* bytes) {
  return cuda::guarded(ctx, [&]() -> Status {
    LAP_TRY(in_range(rows, 0, "rows"));
    LAP_TRY(in_range(vocab, 1, "vocab"));
    LAP_TRY(check_dtype(dtype));
    LAP_TRY(not_null(bytes, "bytes"));
    if (cuda::linear_kept_bytes(rows, vocab, dtype, bytes)) return ok_status();
    return invalid("rows is " + std::to_string(rows) + " and vocab is " + std::to_string(vocab) +
                   "; expected a product that memory can be counted for");
  });
}

lap_status lap_cuda_linear_logprobs_workspace(lap_cuda_context* ctx, const lap_linear_logprobs_args* args,
                                              size_t* bytes) {
  return ask_size(ctx, args, bytes, cuda::linear_logprobs_workspace);
}
lap_status lap_cuda_linear_logprobs(lap_cuda_context* ctx, const lap_linear_logprobs_args* args) {
  return run_checked(ctx, args, cuda::linear_logprobs_workspace, [&](cuda::Gemm& gemm) {
    return cuda::linear_logprobs(gemm, ctx->head_kernel, *args, ctx->stream);
  });
}
lap_status lap_cuda_linear_logprobs_backward_workspace(lap_cuda_context* ctx,
                                                       const lap_linear_logprobs_backward_args* args,
                                                       size_t* bytes) {
  return ask_size(ctx, args, bytes, cuda::linear_logprobs_backward_workspace);
}
lap_status lap_cuda_linear_logprobs_backward(lap_cuda_context* ctx,
                                             const lap_linear_logprobs_backward_args* args) {
  return run_checked(ctx, args, cuda::linear_logprobs_backward_workspace, [&](cuda::Gemm& gemm) {
    return cuda::linear_logprobs_backward(gemm, *args, ctx->stream);
  });
}

// Rows more than 2^31 elements apart: offsets are 64 bits wide. The memory between the rows is reserved and
// never touched, so the test costs a few pages.
#include <cmath>
#include <cstdio>
#include <cstring>

#include "lapidary.h"

#if defined(__linux__)
#include <sys/mman.h>

namespace {

constexpr int64_t kRows = 3, kVocab = 37, kStride = (int64_t{1} << 31) + 11;
int passed = 0, failed = 0;

void check(bool ok, const char* what) {
  std::printf("%s %s\n", ok ? "ok  " : "FAIL", what);
  ++(ok ? passed : failed);
}

float* reserve(size_t bytes) {
  void* memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<float*>(memory);
}

struct Rows {
  float logp[kRows], lse[kRows];
};

lap_status forward(lap_context* ctx, const float* logits, int64_t stride, const int32_t* targets, Rows* out) {
  lap_token_logprobs_args args{};
  args.struct_size = sizeof args;
  args.logits = logits;
  args.rows = kRows;
  args.vocab = kVocab;
  args.row_stride = stride;
  args.targets = targets;
  args.ignore_index = -100;
  args.transform.temperature = 1;
  args.logp = out->logp;
  args.lse = out->lse;
  return lap_token_logprobs(ctx, &args);
}

lap_status backward(lap_context* ctx, const float* logits, int64_t stride, const int32_t* targets,
                    const Rows& of, float* dlogits, int64_t dlogits_stride) {
  const float dlogp[kRows] = {1, -1, 2};
  lap_token_logprobs_backward_args args{};
  args.struct_size = sizeof args;
  args.logits = logits;
  args.rows = kRows;
  args.vocab = kVocab;
  args.row_stride = stride;
  args.targets = targets;
  args.ignore_index = -100;
  args.transform.temperature = 1;
  args.logp = of.logp;
  args.lse = of.lse;
  args.dlogp = dlogp;
  args.dlogits = dlogits;
  args.dlogits_stride = dlogits_stride;
  return lap_token_logprobs_backward(ctx, &args);
}

void compare(lap_context* ctx, float* apart) {
  static float dense[kRows * kVocab], expected[kRows * kVocab];
  const int32_t targets[kRows] = {0, 36, 5};
  for (int64_t t = 0; t < kRows; ++t)
    for (int64_t v = 0; v < kVocab; ++v)
      apart[t * kStride + v] = dense[t * kVocab + v] = std::sin(static_cast<float>(t * 100 + v));
  Rows near, far;
  check(forward(ctx, dense, kVocab, targets, &near) == LAP_OK, "dense rows");
  check(forward(ctx, apart, kStride, targets, &far) == LAP_OK, "rows 2^31 + 11 elements apart");
  check(std::memcmp(&near, &far, sizeof near) == 0, "the same log-probs to the bit");
  check(backward(ctx, dense, kVocab, targets, near, expected, kVocab) == LAP_OK, "gradient, dense rows");
  check(backward(ctx, apart, kStride, targets, near, apart, kStride) == LAP_OK,
        "gradient in place, rows apart");
  bool same = true;
  for (int64_t t = 0; t < kRows; ++t)
    same = same && std::memcmp(apart + t * kStride, expected + t * kVocab, kVocab * sizeof(float)) == 0;
  check(same, "the same gradients to the bit");
}

}  // namespace

int main() {
  const size_t bytes = static_cast<size_t>(kRows - 1) * kStride * sizeof(float) + kVocab * sizeof(float);
  float* apart = reserve(bytes);
  if (apart == nullptr) {
    std::printf("skipped: 17 GB of address space cannot be reserved here\n0 passed, 0 failed\n");
    return 0;
  }
  lap_context_options options{};
  options.struct_size = sizeof options;
  options.threads = 2;
  lap_context* ctx = nullptr;
  check(lap_context_create(&options, &ctx) == LAP_OK, "a context");
  compare(ctx, apart);
  lap_context_destroy(ctx);
  munmap(apart, bytes);
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
#else
int main() {
  std::printf("skipped: needs memory that is reserved and not touched\n0 passed, 0 failed\n");
  return 0;
}
#endif

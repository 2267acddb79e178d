// The linear log-probs as called, with LAPIDARY_CUDA_HEAD set: what the kernel is given by the rest of the
// forward, and what becomes of its pieces, against sums in double.
#include "cuda_linear_fixture.h"

namespace {

using namespace cuda_test;

Outputs forward(const char* kernel, const Problem& p, bool kept = false) {
  setenv("LAPIDARY_CUDA_HEAD", kernel, 1);
  lap_cuda_context* ctx = open_context();
  Outputs out;
  {
    Scratch scratch(ctx, size_t{96} << 20);
    out = Head(ctx, &scratch, p).forward(kept);
  }
  lap_cuda_context_destroy(ctx);
  return out;
}

void test_case(const Case& given, unsigned seed) {
  const Problem p(given, seed);
  const Outputs alone = forward("wgmma", p), in_teams = forward("wgmma2", p);
  check_forward(p, alone, "forward", true);
  check(alone == in_teams, given.name() + ": clusters give the same bits");
}

// A backward from the logits that the kernel keeps, beside one from those of the matrix product.
void test_kept(lap_dtype dtype) {
  const Problem p({.dtype = dtype, .rows = 40, .vocab = 700, .width = 64}, 12);
  std::vector<float> dhidden[2];
  for (const int own : {0, 1}) {
    setenv("LAPIDARY_CUDA_HEAD", own == 1 ? "wgmma" : "", 1);
    lap_cuda_context* ctx = open_context();
    {
      Scratch scratch(ctx, size_t{96} << 20);
      Head head(ctx, &scratch, p);
      const Outputs out = head.forward(true);
      if (own == 1) check_forward(p, out, "forward", true);
      dhidden[own] = head.backward(out, true).hidden;
    }
    lap_cuda_context_destroy(ctx);
  }
  double size = 0, error = 0;
  for (size_t i = 0; i < dhidden[0].size(); ++i) {
    size += std::pow(dhidden[0][i], 2);
    error += std::pow(dhidden[0][i] - dhidden[1][i], 2);
  }
  check(size > 0 && error < 1e-5 * size, std::string(name_of(dtype)) + ": the backward of kept logits");
}

// Sums in another order show that it is another kernel; where it does not fit nothing changes.
void test_choice() {
  const Problem p({.dtype = LAP_BF16, .rows = 64, .vocab = 700, .width = 200}, 8);
  check(!(forward("", p) == forward("wgmma", p)), "the environment chooses the kernel");
  const Problem f32({.dtype = LAP_F32, .rows = 9, .vocab = 300, .width = 24}, 9);
  check(forward("", f32) == forward("wgmma", f32), "f32 does not go through it");
  const Problem odd({.dtype = LAP_BF16, .rows = 9, .vocab = 300, .width = 30}, 10);
  check(forward("", odd) == forward("wgmma", odd), "nor a weight whose rows are not aligned");
}

}  // namespace

int main() {
  unsigned seed = 1;
  for (const lap_dtype dtype : {LAP_BF16, LAP_F16}) {
    test_case({.dtype = dtype, .rows = 1, .vocab = 1, .width = 8}, seed++);
    test_case({.dtype = dtype, .rows = 140, .vocab = 520, .width = 72, .padding = 8}, seed++);
    test_case({.dtype = dtype, .rows = 20, .vocab = 800, .width = 40, .softcap = 10, .per_row = true},
              seed++);
    test_case({.dtype = dtype, .rows = 20, .vocab = 513, .width = 136, .spread = 30}, seed++);
  }
  test_case({.dtype = LAP_BF16, .rows = 2060, .vocab = 257, .width = 8}, seed++);  // two blocks of rows
  test_kept(LAP_BF16);
  test_kept(LAP_F16);
  test_choice();
  return finish();
}

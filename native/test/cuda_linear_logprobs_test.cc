// The linear log-probs of the CUDA half against sums in double, with our own matrix products and with the
// calls that cuBLASLt would get.
#include <dlfcn.h>

#include "cuda_linear_fixture.h"

namespace {

using namespace cuda_test;

struct Device {
  lap_cuda_context* ctx;
  Scratch* scratch;
};

// `roundings`: how often a term has been rounded to the inputs' type.
void check_sums(const Problem& p, const std::vector<float>& got, const std::vector<Sum>& expected,
                const std::vector<float>* before, int roundings, const std::string& what) {
  const double unit = p.given.dtype == LAP_F32 ? 0 : p.given.dtype == LAP_BF16 ? 1. / 256 : 1. / 2048;
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double old = before == nullptr ? 0 : (*before)[i];
    const double bound =
        (roundings * unit + 1.5e-5) * expected[i].size + expected[i].floor + 1e-7 * std::fabs(old) + 1e-30;
    const double error = std::fabs(got[i] - old - expected[i].value);
    worst = std::isnan(error) ? HUGE_VAL : std::max(worst, error / bound);
  }
  check(worst <= 1, p.given.name() + ": " + what + " at " + std::to_string(worst) + " of the bound");
}

void check_backward(const Problem& p, Head* head, const Outputs& of, bool kept) {
  const Gradients expected = gradients(p);
  const bool scaled = kept || p.given.dtype == LAP_F16;
  const int once = kept ? 2 : 1, of_weight = once + (scaled ? 1 : 0);
  const std::string what = kept ? "backward of kept" : "backward";
  const Head::Result both = head->backward(of, kept);
  check_sums(p, both.hidden, expected.hidden, nullptr, once, what + ", dhidden");
  check_sums(p, both.weight, expected.weight, nullptr, of_weight, what + ", dweight");
  for (int64_t t = 0; t < p.given.rows; ++t) {
    if (!p.ignored(t) && p.dlogp[static_cast<size_t>(t)] != 0) continue;
    bool zero = true;
    for (int64_t h = 0; h < p.given.width; ++h)
      zero = zero && both.hidden[static_cast<size_t>(t * p.given.width + h)] == 0;
    check(zero, p.given.name() + ": " + what + " row " + std::to_string(t) + " is 0");
  }
  // Kept entries serve again.
  check(head->backward(of, kept) == both, p.given.name() + ": " + what + " again, to the bit");
  check(head->backward(of, kept, Head::kFrozen).hidden == both.hidden,
        p.given.name() + ": " + what + " frozen");
  check(head->backward(of, kept, Head::kWeightOnly).weight == both.weight,
        p.given.name() + ": " + what + " of dweight");
  const Head::Result added = head->backward(of, kept, Head::kBoth, true);
  check_sums(p, added.weight, expected.weight, &p.before, of_weight, what + ", dweight added to");
}

void test_case(const Device& device, const Case& given, unsigned seed) {
  const Problem p(given, seed);
  Head head(device.ctx, device.scratch, p);
  const Outputs out = head.forward(false), again = head.forward(false), bare = head.forward(false, false);
  check_forward(p, out, "forward", true);
  check_forward(p, bare, "forward without entropy", false);
  check(out == again, given.name() + ": the same call gives the same bits");
  check(head.forward(true) == out, given.name() + ": keeping changes nothing");
  check_backward(p, &head, out, false);
  check_backward(p, &head, out, true);
}

void test_shapes(const Device& device) {
  unsigned seed = 1;
  for (const lap_dtype dtype : {LAP_F32, LAP_BF16, LAP_F16}) {
    for (const int64_t vocab : {1, 7, 257, 1000}) {
      test_case(device, {.dtype = dtype, .vocab = vocab, .width = 64}, seed++);
      test_case(device, {.dtype = dtype, .vocab = vocab, .width = vocab == 7 ? 1 : 3}, seed++);
    }
    test_case(device, {.dtype = dtype, .rows = 0, .vocab = 9}, seed++);
    test_case(device, {.dtype = dtype, .rows = 1, .vocab = 300}, seed++);
    test_case(device, {.dtype = dtype, .rows = 70, .vocab = 300, .width = 129}, seed++);
    test_case(device, {.dtype = dtype, .vocab = 263, .width = 40, .padding = 3, .shift = 1}, seed++);
    test_case(device, {.dtype = dtype, .vocab = 263, .width = 40, .padding = 8}, seed++);
    test_case(device, {.dtype = dtype, .rows = 9, .vocab = 400, .spread = 8, .per_row = true}, seed++);
    test_case(device, {.dtype = dtype, .vocab = 400, .temperature = 0.3f, .softcap = 5.f, .spread = 6},
              seed++);
    // Next to certain, with small weights: what f16 could not hold unscaled.
    test_case(device,
              {.dtype = dtype, .rows = 9, .vocab = 300, .width = 8, .spread = 30, .weight_scale = 1e-6f},
              seed++);
  }
  // More columns than go through together, and more rows.
  test_case(device, {.dtype = LAP_BF16, .rows = 3, .vocab = 8700, .width = 3}, seed++);
  test_case(device, {.dtype = LAP_F32, .rows = 2100, .vocab = 5, .width = 2}, seed++);
  test_case(device, {.dtype = LAP_F16, .rows = 8200, .vocab = 3, .width = 2}, seed++);
}

// A row alone gives the bits it gives among others, however the batch is cut up. cuBLASLt itself promises no
// such thing: there it is said, not counted.
void test_invariance(const Device& device, const Case& given, bool promised) {
  const Problem many(given, 11);
  const int64_t chosen = given.rows - 1;
  check(!many.ignored(chosen) && many.dlogp[static_cast<size_t>(chosen)] != 0, "the chosen row counts");
  Case alone = given;
  alone.rows = 1;
  Problem one(alone, 11);
  one.weight = many.weight;
  for (int64_t h = 0; h < given.width; ++h)
    one.hidden.set(static_cast<size_t>(h), static_cast<float>(many.x(chosen, h)));
  one.targets[0] = many.targets[static_cast<size_t>(chosen)];
  one.dlogp[0] = many.dlogp[static_cast<size_t>(chosen)];
  Head all(device.ctx, device.scratch, many), single(device.ctx, device.scratch, one);
  const auto expect = [&](bool same, const std::string& what) {
    const std::string where = given.name() + ": a row's " + what + " alone and among others";
    if (promised)
      check(same, where);
    else if (!same)
      std::printf("note: other bits, %s\n", where.c_str());
  };
  for (const bool kept : {false, true}) {
    const Outputs a = all.forward(kept), b = single.forward(kept);
    expect(a.logp.back() == b.logp[0] && a.lse.back() == b.lse[0] && a.entropy.back() == b.entropy[0],
           "log-prob");
    const auto of_all = all.backward(a, kept).hidden, of_one = single.backward(b, kept).hidden;
    expect(std::equal(of_one.begin(), of_one.end(), of_all.end() - given.width),
           kept ? "gradient from kept entries" : "gradient");
  }
}

// Rows without a weight may hold anything: they leave no trace in either gradient, not even in a second
// backward that follows one in which they had a weight.
void test_unweighted(const Device& device, lap_dtype dtype) {
  const Case given{.dtype = dtype, .rows = 6, .vocab = 300, .width = 9};
  Problem p(given, 21);
  p.fill_row(3, NAN);
  p.fill_row(4, INFINITY);
  p.dlogp[3] = p.dlogp[4] = 0;
  Head head(device.ctx, device.scratch, p);
  for (const bool kept : {false, true}) {
    const Outputs out = head.forward(kept);
    check(std::isnan(out.logp[3]) && std::isnan(out.logp[4]) && out.top1[3] == -1, "NaN has no log-prob");
    check(!std::isnan(out.logp[0]) && !std::isnan(out.logp[5]), "and harms no other row");
    p.dlogp[3] = 1;
    const Head::Result loud = head.backward(out, kept);
    check(std::isnan(loud.hidden[3 * 9]) && std::isnan(loud.weight[0]), "with a weight it is NaN");
    check(!std::isnan(loud.hidden[0]), "in its own row of dhidden");
    p.dlogp[3] = 0;
    const Gradients expected = gradients(p);
    const Head::Result quiet = head.backward(out, kept);
    check_sums(p, quiet.hidden, expected.hidden, nullptr, 2, "dhidden beside unweighted NaN");
    check_sums(p, quiet.weight, expected.weight, nullptr, 3, "dweight beside unweighted NaN");
  }
}

void test_bad_targets(const Device& device) {
  Problem p({.dtype = LAP_BF16, .vocab = 300, .width = 9}, 5);
  p.targets[0] = 300;
  p.targets[4] = -7;
  Head head(device.ctx, device.scratch, p);
  for (const bool kept : {false, true}) {
    const Outputs out = head.forward(kept);
    for (const size_t t : {0u, 4u})
      check(std::isnan(out.logp[t]) && std::isnan(out.lse[t]) && std::isnan(out.entropy[t]) &&
                out.top1[t] == -1,
            "a target out of range gives NaN");
    const auto gradient = head.backward(out, kept).hidden;
    check(std::isnan(gradient[0]) && std::isnan(gradient[4 * 9 + 8]) && !std::isnan(gradient[9]),
          "and NaN in its row of dhidden alone");
  }
}

void test_ties(const Device& device) {
  Problem p({.dtype = LAP_BF16, .rows = 2, .vocab = 700, .width = 8}, 6);
  for (int64_t v = 0; v < 700; ++v)
    for (int64_t h = 0; h < 8; ++h)
      p.weight.set(static_cast<size_t>(v * 8 + h), v < 300 ? 0.f : static_cast<float>(p.x(0, h)));
  for (const int32_t target : {299, 300, 699}) {
    p.targets[0] = target;
    const Outputs out = Head(device.ctx, device.scratch, p).forward(false);
    check(out.top1[0] == 300, "the lowest index of equals, target " + std::to_string(target));
  }
}

void test_errors(const Device& device) {
  lap_cuda_context* ctx = device.ctx;
  const Problem p({.vocab = 30}, 3);
  Head head(device.ctx, device.scratch, p);
  OnDevice<float> column(ctx, std::vector<float>(5));
  OnDevice<uint8_t> workspace(ctx, std::vector<uint8_t>(1 << 20));
  auto args = head.prepared<lap_linear_logprobs_args>(true);
  args.logp = args.lse = column.data();
  const auto refused = [&](const char* word) {
    return lap_cuda_linear_logprobs(ctx, &args) == LAP_INVALID_ARGUMENT &&
           std::string(lap_cuda_error_message(ctx)).find(word) != std::string::npos;
  };
  check(refused("workspace is NULL"), "no workspace");
  size_t bytes = 0;
  check(lap_cuda_linear_logprobs_workspace(ctx, &args, &bytes) == LAP_OK && bytes > 0, "size query");
  args.workspace = workspace.data();
  args.workspace_bytes = bytes - 1;
  check(refused("workspace_bytes"), "a workspace too small");
  args.kept_bytes -= 1;
  check(refused("kept_bytes"), "kept memory too small");
  args = head.prepared<lap_linear_logprobs_args>(false);
  check(refused("logp"), "no logp");
  args.width = 0;
  check(refused("width"), "no width");
  check(lap_cuda_linear_logprobs_kept_bytes(ctx, INT64_MAX / 2, 1 << 20, LAP_BF16, &bytes) ==
            LAP_INVALID_ARGUMENT,
        "kept memory beyond count");
  check(lap_cuda_linear_logprobs_kept_bytes(ctx, 4096, 152064, LAP_BF16, &bytes) == LAP_OK &&
            bytes < size_t{1400} << 20 && bytes > size_t{4096} * 152064 * 2,
        "kept memory of 4096 rows");
  check(lap_cuda_linear_logprobs(nullptr, &args) == LAP_INVALID_ARGUMENT, "no context");
  check(lap_cuda_linear_logprobs_backward(ctx, nullptr) == LAP_INVALID_ARGUMENT, "no arguments");
}

void test_products(const Device& device, bool all, bool promised) {
  if (all) {
    test_shapes(device);
    test_invariance(device, {.dtype = LAP_F32, .rows = 140, .vocab = 700, .width = 33}, promised);
    test_invariance(device, {.dtype = LAP_BF16, .rows = 7, .vocab = 9000, .width = 5}, promised);
    test_invariance(device, {.dtype = LAP_F16, .rows = 2060, .vocab = 4500, .width = 2}, promised);
    for (const lap_dtype dtype : {LAP_F32, LAP_BF16, LAP_F16}) test_unweighted(device, dtype);
    test_bad_targets(device);
    test_ties(device);
    test_errors(device);
  } else {
    test_case(device, {.dtype = LAP_BF16, .rows = 12, .vocab = 600, .width = 20}, 77);
  }
}

// `library`: NULL for the machine's own.
void test_backend(const char* library, const char* refuse, const std::string& expected, bool all,
                  bool promised = true) {
  if (library == nullptr)
    unsetenv("LAPIDARY_CUBLASLT");
  else
    setenv("LAPIDARY_CUBLASLT", library, 1);
  setenv("LAPIDARY_SIMT_CUBLASLT_REFUSE", refuse, 1);
  lap_cuda_context* ctx = open_context();
  const std::string name = lap_cuda_context_gemm(ctx);
  check(name.rfind(expected, 0) == 0, "the products are by " + name + "; expected " + expected);
  {
    Scratch scratch(ctx, size_t{96} << 20);
    test_products({ctx, &scratch}, all, promised);
  }
  lap_cuda_context_destroy(ctx);
}

#if defined(LAPIDARY_SIMT_CUBLASLT)
int ask_library(const char* what) {
  void* library = dlopen(LAPIDARY_SIMT_CUBLASLT, RTLD_LAZY | RTLD_NOLOAD);
  auto* ask = library == nullptr ? nullptr : reinterpret_cast<int (*)()>(dlsym(library, what));
  return ask == nullptr ? -1 : ask();
}

// The stand-in on the host, which must have been asked for every product, and as the library wants it.
void test_host_library() {
  test_backend(LAPIDARY_SIMT_CUBLASLT, "", "cublasLt 13.0.0", true);
  const int all = ask_library("simt_cublas_lt_products");
  check(all > 1000, "cuBLASLt made the products, " + std::to_string(all));
  test_backend(LAPIDARY_SIMT_CUBLASLT, "heuristic", "cublasLt", false);
  check(ask_library("simt_cublas_lt_products") == all, "and none where it has no algorithm");
  test_backend(LAPIDARY_SIMT_CUBLASLT, "check", "cublasLt", false);
  check(ask_library("simt_cublas_lt_products") > all, "and shapes with an algorithm of their own");
  check(ask_library("simt_cublas_lt_alive") == 0, "everything made in cuBLASLt is destroyed");
}
#endif

#if !defined(LAPIDARY_SIMT_CUBLASLT)
// On a device: the library that is there, or why none is.
void test_machine() {
  unsetenv("LAPIDARY_CUBLASLT");
  lap_cuda_context* ctx = open_context();
  const std::string name = lap_cuda_context_gemm(ctx);
  lap_cuda_context_destroy(ctx);
  std::printf("matrix products: %s\n", name.c_str());
  if (name.rfind("cublasLt", 0) == 0) test_backend(nullptr, "", "cublasLt", true, false);
}
#endif

}  // namespace

int main() {
  test_backend("none", "", "tiled: LAPIDARY_CUBLASLT is none", true);
  test_backend("/nowhere/libcublasLt.so", "", "tiled: /nowhere/libcublasLt.so: cannot open", false);
#if defined(LAPIDARY_SIMT_CUBLASLT)
  test_host_library();
#else
  test_machine();
#endif
  return finish();
}

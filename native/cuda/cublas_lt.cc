#include "cuda/cublas_lt.h"

#include <dlfcn.h>

#include <cstdlib>

namespace lapidary::cuda {

using namespace cublas_lt;

namespace {

constexpr const char* kNames[] = {"libcublasLt.so.13", "libcublasLt.so.12"};
// Enough for every shape of a model; past it all are chosen anew.
constexpr size_t kMostChoices = 256;

// Never unmapped: what a library leaves behind in the driver may still need its code.
void* open_library(std::string* reason) {
  const char* given = std::getenv("LAPIDARY_CUBLASLT");
  if (given != nullptr && std::string(given) == "none") {
    *reason = "LAPIDARY_CUBLASLT is none";
    return nullptr;
  }
  constexpr int kFlags = RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE;
  void* library = nullptr;
  if (given != nullptr && *given != '\0') {
    library = dlopen(given, kFlags);
  } else {
    // One that the process has already, PyTorch's say, lies where the loader does not look.
    for (const char* name : kNames)
      if (library == nullptr) library = dlopen(name, kFlags | RTLD_NOLOAD);
    for (const char* name : kNames)
      if (library == nullptr) library = dlopen(name, kFlags);
  }
  const char* error = library == nullptr ? dlerror() : nullptr;
  if (error != nullptr) *reason = error;
  return library;
}

template <class Function>
bool look_up(void* library, const char* name, Function** out, std::string* reason) {
  *out = reinterpret_cast<Function*>(dlsym(library, name));
  if (*out == nullptr) *reason = std::string("the library has no ") + name;
  return *out != nullptr;
}

bool look_up_all(void* library, Functions* call, std::string* reason) {
  const auto find = [&](const char* name, auto** out) { return look_up(library, name, out, reason); };
  return find("cublasLtGetVersion", &call->get_version) && find("cublasLtCreate", &call->create) &&
         find("cublasLtDestroy", &call->destroy) && find("cublasLtMatmulDescCreate", &call->desc_create) &&
         find("cublasLtMatmulDescDestroy", &call->desc_destroy) &&
         find("cublasLtMatmulDescSetAttribute", &call->desc_set) &&
         find("cublasLtMatrixLayoutCreate", &call->layout_create) &&
         find("cublasLtMatrixLayoutDestroy", &call->layout_destroy) &&
         find("cublasLtMatmulPreferenceCreate", &call->preference_create) &&
         find("cublasLtMatmulPreferenceDestroy", &call->preference_destroy) &&
         find("cublasLtMatmulPreferenceSetAttribute", &call->preference_set) &&
         find("cublasLtMatmulAlgoGetHeuristic", &call->get_heuristic) &&
         find("cublasLtMatmulAlgoCheck", &call->check) && find("cublasLtMatmul", &call->matmul);
}

DataType type_of(lap_dtype dtype) { return dtype == LAP_F32 ? kR32F : dtype == LAP_BF16 ? kR16BF : kR16F; }

uint32_t alignment_of(const void* data) {
  uint32_t alignment = 256;
  while (reinterpret_cast<uintptr_t>(data) % alignment != 0) alignment /= 2;
  return alignment;
}

lapidary::Status failure(const char* call, cublas_lt::Status status) {
  return {LAP_DEVICE_ERROR, std::string(call) + ": cublasStatus_t " + std::to_string(status)};
}

}  // namespace

std::unique_ptr<CublasLt> CublasLt::open(std::string* reason) {
  std::unique_ptr<CublasLt> made(new CublasLt);
  made->library_ = open_library(reason);
  if (made->library_ == nullptr || !look_up_all(made->library_, &made->call_, reason)) return nullptr;
  const cublas_lt::Status created = made->call_.create(&made->handle_);
  if (created == kSuccess) return made;
  made->handle_ = nullptr;
  *reason = failure("cublasLtCreate", created).message;
  return nullptr;
}

CublasLt::~CublasLt() {
  if (handle_ != nullptr) call_.destroy(handle_);
  if (library_ != nullptr) dlclose(library_);
}

std::string CublasLt::version() const {
  const size_t version = call_.get_version();
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

CublasLt::Key CublasLt::key_of(const Product& p) {
  return {p.dtype,    p.a.transposed,         p.b.transposed,         p.alpha != nullptr, p.a.stride,
          p.b.stride, alignment_of(p.a.data), alignment_of(p.b.data), alignment_of(p.c),  p.planned};
}

// A row-major matrix is its transpose column-major, so C^T = op(B)^T op(A)^T is asked for: B is the library's
// first operand, with n rows of the result, and an operand stored as its transpose is the one to be
// transposed.
cublas_lt::Status CublasLt::describe(const Key& key, const Product::Shape& shape, Descriptors* out) {
  const auto m = static_cast<uint64_t>(shape.m), n = static_cast<uint64_t>(shape.n),
             k = static_cast<uint64_t>(shape.k);
  const int32_t first = key.b_transposed ? kOpT : kOpN, second = key.a_transposed ? kOpT : kOpN;
  const int32_t mode = key.has_alpha ? kPointerModeDevice : kPointerModeHost;
  const DataType type = type_of(key.dtype);
  cublas_lt::Status status = call_.desc_create(&out->desc, kCompute32F, kR32F);
  const auto then = [&](auto&& step) {
    if (status == kSuccess) status = step();
  };
  then([&] { return call_.desc_set(out->desc, kDescTransA, &first, sizeof first); });
  then([&] { return call_.desc_set(out->desc, kDescTransB, &second, sizeof second); });
  then([&] { return call_.desc_set(out->desc, kDescPointerMode, &mode, sizeof mode); });
  then([&] {
    return call_.layout_create(&out->a, type, key.b_transposed ? k : n, key.b_transposed ? n : k, key.ldb);
  });
  then([&] {
    return call_.layout_create(&out->b, type, key.a_transposed ? m : k, key.a_transposed ? k : m, key.lda);
  });
  then([&] { return call_.layout_create(&out->c, kR32F, n, m, shape.c_stride); });
  return status;
}

void CublasLt::release(Descriptors* d) {
  if (d->c != nullptr) call_.layout_destroy(d->c);
  if (d->b != nullptr) call_.layout_destroy(d->b);
  if (d->a != nullptr) call_.layout_destroy(d->a);
  if (d->desc != nullptr) call_.desc_destroy(d->desc);
  *d = {};
}

// The library's first choice among algorithms that sum k in one sequence.
cublas_lt::Status CublasLt::choose(const Key& key, Algorithm* algorithm, bool* usable) {
  for (const Choice& choice : choices_) {
    if (!(choice.key == key)) continue;
    *algorithm = choice.algorithm;
    *usable = choice.usable;
    return kSuccess;
  }
  Descriptors with;
  cublas_lt::Status status = describe(key, key.shape, &with);
  if (status == kSuccess) status = find(key, with, algorithm, usable);
  release(&with);
  if (status != kSuccess) return status;
  if (choices_.size() == kMostChoices) choices_.clear();
  choices_.push_back({key, *usable, *algorithm});
  return kSuccess;
}

cublas_lt::Status CublasLt::find(const Key& key, const Descriptors& with, Algorithm* algorithm,
                                 bool* usable) {
  Preference preference = nullptr;
  cublas_lt::Status status = call_.preference_create(&preference);
  if (status != kSuccess) return status;
  const uint64_t workspace = kWorkspace;
  const uint32_t schemes = kReductionSchemeNone;
  const auto set = [&](int attribute, const auto& value) {
    if (status == kSuccess) status = call_.preference_set(preference, attribute, &value, sizeof value);
  };
  set(kPreferMaxWorkspaceBytes, workspace);
  set(kPreferReductionSchemes, schemes);
  // The library's first operand is B.
  set(kPreferAlignmentA, key.align_b);
  set(kPreferAlignmentB, key.align_a);
  set(kPreferAlignmentC, key.align_c);
  set(kPreferAlignmentD, key.align_c);
  HeuristicResult result{};
  int count = 0;
  if (status == kSuccess) {
    status = call_.get_heuristic(handle_, with.desc, with.a, with.b, with.c, with.c, preference, 1, &result,
                                 &count);
  }
  call_.preference_destroy(preference);
  *algorithm = result.algorithm;
  *usable = status == kSuccess && count > 0 && result.state == kSuccess;
  return status == kNotSupported ? kSuccess : status;
}

lapidary::Status CublasLt::multiply(const Product& p, const Key& key, const Descriptors& with,
                                    const Algorithm& planned, void* workspace, cudaStream_t stream,
                                    bool* done) {
  Algorithm algorithm = planned;
  HeuristicResult checked{};
  const cublas_lt::Status fits =
      call_.check(handle_, with.desc, with.a, with.b, with.c, with.c, &algorithm, &checked);
  if (fits != kSuccess || checked.workspace_bytes > kWorkspace) {
    // A shape that the planned one's algorithm cannot do has its own.
    bool usable = false;
    const cublas_lt::Status found = find(key, with, &algorithm, &usable);
    if (found != kSuccess) return failure("cublasLtMatmulAlgoGetHeuristic", found);
    if (!usable) return ok_status();
  }
  const float one = 1, beta = p.accumulate ? 1 : 0;
  const void* alpha_at = p.alpha == nullptr ? &one : p.alpha;
  const void* beta_at = p.alpha == nullptr ? &beta : p.alpha + (p.accumulate ? 2 : 1);
  const cublas_lt::Status status =
      call_.matmul(handle_, with.desc, alpha_at, p.b.data, with.a, p.a.data, with.b, beta_at, p.c, with.c,
                   p.c, with.c, &algorithm, workspace, kWorkspace, stream);
  if (status != kSuccess) return failure("cublasLtMatmul", status);
  *done = true;
  return ok_status();
}

lapidary::Status CublasLt::run(const Product& p, void* workspace, cudaStream_t stream, bool* done) {
  const Key key = key_of(p);
  Algorithm algorithm{};
  bool usable = false;
  const cublas_lt::Status chosen = choose(key, &algorithm, &usable);
  if (chosen != kSuccess) return failure("choosing an algorithm of cuBLASLt", chosen);
  if (!usable) return ok_status();
  Descriptors with;
  const cublas_lt::Status described = describe(key, {p.m, p.n, p.k, p.c_stride}, &with);
  lapidary::Status status = described == kSuccess ? multiply(p, key, with, algorithm, workspace, stream, done)
                                                  : failure("describing a product to cuBLASLt", described);
  release(&with);
  return status;
}

}  // namespace lapidary::cuda

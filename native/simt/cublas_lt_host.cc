// The part of cuBLASLt that Lapidary calls, on the host, as a library to be loaded in its place: so that
// layouts, transposes, leading dimensions and scaling factors are tested where there is no device. Written
// from the documentation: column-major, D = alpha op(A) op(B) + beta C. It refuses what the library would
// refuse, counts what is made and destroyed, and fills its workspace, which nobody else may be using.
//
// LAPIDARY_SIMT_CUBLASLT_REFUSE=heuristic: there is an algorithm for nothing; check: none fits another shape.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/numerics.h"

#define EXPORTED extern "C" __attribute__((visibility("default")))

namespace {

constexpr int kSuccess = 0, kInvalidValue = 7, kNotSupported = 15;

int alive = 0, products = 0;

struct Desc {
  int compute, scale;
  int32_t pointer_mode = 0, trans_a = 0, trans_b = 0;
};
struct Layout {
  int type;
  uint64_t rows, columns;
  int64_t leading;
};
struct Preference {
  uint64_t workspace = 0;
  uint32_t schemes = 7, alignment[4] = {256, 256, 256, 256};
};
struct Algorithm {
  uint64_t data[8];
};
struct Result {
  Algorithm algorithm;
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};
constexpr uint64_t kMark = 0x6c61706964617279;
constexpr size_t kAlgorithmWorkspace = 4096;

bool refuses(const char* what) {
  const char* given = std::getenv("LAPIDARY_SIMT_CUBLASLT_REFUSE");
  return given != nullptr && std::string(given) == what;
}

double load(const Layout& layout, const void* data, uint64_t row, uint64_t column) {
  const uint64_t at = column * static_cast<uint64_t>(layout.leading) + row;
  if (layout.type == 0) return static_cast<const float*>(data)[at];
  const uint16_t bits = static_cast<const uint16_t*>(data)[at];
  return layout.type == 14 ? lapidary::bf16_to_f32(bits) : lapidary::f16_to_f32(bits);
}
double load_op(const Layout& layout, const void* data, bool transposed, uint64_t row, uint64_t column) {
  return transposed ? load(layout, data, column, row) : load(layout, data, row, column);
}

// Whether op(A) [m,k] and op(B) [k,n] fit D [m,n], of types that may be combined.
bool fits(const Desc& desc, const Layout& a, const Layout& b, const Layout& c, const Layout& d) {
  const uint64_t m = desc.trans_a ? a.columns : a.rows, k = desc.trans_a ? a.rows : a.columns;
  const uint64_t inner = desc.trans_b ? b.columns : b.rows, n = desc.trans_b ? b.rows : b.columns;
  return desc.compute == 68 && desc.scale == 0 && a.type == b.type && c.type == 0 && d.type == 0 &&
         inner == k && d.rows == m && d.columns == n && c.rows == m && c.columns == n &&
         c.leading == d.leading;
}

template <class T>
int give(T** out, T value) {
  *out = new T(value);
  ++alive;
  return kSuccess;
}
template <class T>
int take(T* given) {
  if (given == nullptr) return kInvalidValue;
  delete given;
  --alive;
  return kSuccess;
}

struct Handle {
  uint64_t mark;
};

}  // namespace

// Not the library's: how much is still alive.
EXPORTED int simt_cublas_lt_alive() { return alive; }
// And how many products there were.
EXPORTED int simt_cublas_lt_products() { return products; }

EXPORTED size_t cublasLtGetVersion() { return 130000; }
EXPORTED int cublasLtCreate(Handle** out) { return give(out, Handle{kMark}); }
EXPORTED int cublasLtDestroy(Handle* handle) { return take(handle); }
EXPORTED int cublasLtMatmulDescCreate(Desc** out, int compute, int scale) {
  return give(out, Desc{compute, scale});
}
EXPORTED int cublasLtMatmulDescDestroy(Desc* desc) { return take(desc); }
EXPORTED int cublasLtMatmulDescSetAttribute(Desc* desc, int attribute, const void* value, size_t size) {
  if (size != 4) return kInvalidValue;
  int32_t* place = attribute == 2   ? &desc->pointer_mode
                   : attribute == 3 ? &desc->trans_a
                   : attribute == 4 ? &desc->trans_b
                                    : nullptr;
  if (place == nullptr) return kInvalidValue;
  std::memcpy(place, value, size);
  return kSuccess;
}
EXPORTED int cublasLtMatrixLayoutCreate(Layout** out, int type, uint64_t rows, uint64_t columns,
                                        int64_t leading) {
  if (leading < static_cast<int64_t>(rows)) return kInvalidValue;
  return give(out, Layout{type, rows, columns, leading});
}
EXPORTED int cublasLtMatrixLayoutDestroy(Layout* layout) { return take(layout); }
EXPORTED int cublasLtMatmulPreferenceCreate(Preference** out) { return give(out, Preference{}); }
EXPORTED int cublasLtMatmulPreferenceDestroy(Preference* preference) { return take(preference); }
EXPORTED int cublasLtMatmulPreferenceSetAttribute(Preference* p, int attribute, const void* value,
                                                  size_t size) {
  if (attribute == 1 && size == 8) {
    std::memcpy(&p->workspace, value, size);
  } else if (attribute == 3 && size == 4) {
    std::memcpy(&p->schemes, value, size);
  } else if (attribute >= 5 && attribute <= 8 && size == 4) {
    std::memcpy(&p->alignment[attribute - 5], value, size);
  } else {
    return kInvalidValue;
  }
  return kSuccess;
}

// The algorithm remembers the alignments it was promised.
EXPORTED int cublasLtMatmulAlgoGetHeuristic(Handle* handle, Desc* desc, Layout* a, Layout* b, Layout* c,
                                            Layout* d, Preference* p, int wanted, Result results[],
                                            int* found) {
  *found = 0;
  if (handle->mark != kMark || wanted < 1) return kInvalidValue;
  if (!fits(*desc, *a, *b, *c, *d)) return kInvalidValue;
  // Parts of k that are summed apart would not be repeatable for all shapes.
  if (p->schemes != 0 || p->workspace < kAlgorithmWorkspace || refuses("heuristic")) return kNotSupported;
  Result& result = results[0];
  result = {};
  result.algorithm.data[0] = kMark;
  for (int i = 0; i < 4; ++i) result.algorithm.data[1 + i] = p->alignment[i];
  result.algorithm.data[5] = d->rows * 1000003 + d->columns;
  result.workspace = kAlgorithmWorkspace;
  *found = 1;
  return kSuccess;
}
EXPORTED int cublasLtMatmulAlgoCheck(Handle* handle, Desc* desc, Layout* a, Layout* b, Layout* c, Layout* d,
                                     const Algorithm* algorithm, Result* result) {
  if (handle->mark != kMark || algorithm->data[0] != kMark || !fits(*desc, *a, *b, *c, *d))
    return kInvalidValue;
  if (refuses("check") && algorithm->data[5] != d->rows * 1000003 + d->columns) return kNotSupported;
  result->workspace = kAlgorithmWorkspace;
  return kSuccess;
}

EXPORTED int cublasLtMatmul(Handle* handle, Desc* desc, const void* alpha, const void* a, Layout* la,
                            const void* b, Layout* lb, const void* beta, const void* c, Layout* lc, void* d,
                            Layout* ld, const Algorithm* algorithm, void* workspace, size_t workspace_bytes,
                            void*) {
  if (handle->mark != kMark || algorithm->data[0] != kMark || !fits(*desc, *la, *lb, *lc, *ld))
    return kInvalidValue;
  const void* operands[] = {a, b, c, d};
  for (int i = 0; i < 4; ++i)
    if (reinterpret_cast<uintptr_t>(operands[i]) % algorithm->data[1 + i] != 0) return kInvalidValue;
  if (workspace_bytes < kAlgorithmWorkspace || reinterpret_cast<uintptr_t>(workspace) % 256 != 0)
    return kInvalidValue;
  ++products;
  std::memset(workspace, 0xff, kAlgorithmWorkspace);
  const float by = *static_cast<const float*>(alpha), keep = *static_cast<const float*>(beta);
  const uint64_t depth = desc->trans_a ? la->rows : la->columns;
  for (uint64_t j = 0; j < ld->columns; ++j) {
    for (uint64_t i = 0; i < ld->rows; ++i) {
      float sum = 0;
      for (uint64_t k = 0; k < depth; ++k) {
        sum += static_cast<float>(load_op(*la, a, desc->trans_a != 0, i, k) *
                                  load_op(*lb, b, desc->trans_b != 0, k, j));
      }
      const uint64_t at = j * static_cast<uint64_t>(ld->leading) + i;
      // C is not read where its factor is 0.
      const float old = keep == 0 ? 0 : keep * static_cast<const float*>(c)[at];
      static_cast<float*>(d)[at] = by * sum + old;
    }
  }
  return kSuccess;
}

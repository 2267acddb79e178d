// Matrix products by cuBLASLt, found at run time.
#pragma once

#include <memory>
#include <vector>

#include "cuda/cublas_lt_api.h"
#include "cuda/gemm.h"

namespace lapidary::cuda {

class CublasLt {
 public:
  // What CUDA's libraries on recent devices want; taken from the caller's workspace.
  static constexpr size_t kWorkspace = size_t{32} << 20;

  // NULL, and the reason, where there is no usable library.
  static std::unique_ptr<CublasLt> open(std::string* reason);
  ~CublasLt();
  CublasLt(const CublasLt&) = delete;

  std::string version() const;
  // Leaves `done` unset where the library has no algorithm for such a product.
  Status run(const Product& product, void* workspace, cudaStream_t stream, bool* done);

 private:
  // What an algorithm is chosen by: the planned shape, never that of one call.
  struct Key {
    lap_dtype dtype;
    bool a_transposed, b_transposed, has_alpha;
    int64_t lda, ldb;
    uint32_t align_a, align_b, align_c;
    Product::Shape shape;
    bool operator==(const Key&) const = default;
  };
  struct Choice {
    Key key;
    bool usable;
    cublas_lt::Algorithm algorithm;
  };
  // Descriptors of one product, with the key's or its own shape.
  struct Descriptors {
    cublas_lt::MatmulDesc desc = nullptr;
    cublas_lt::MatrixLayout a = nullptr, b = nullptr, c = nullptr;
  };

  CublasLt() = default;
  static Key key_of(const Product& product);
  cublas_lt::Status describe(const Key& key, const Product::Shape& shape, Descriptors* out);
  void release(Descriptors* descriptors);
  // Both leave `usable` unset where the library has no algorithm; what it finds wrong with a question is an
  // error.
  cublas_lt::Status choose(const Key& key, cublas_lt::Algorithm* algorithm, bool* usable);
  cublas_lt::Status find(const Key& key, const Descriptors& with, cublas_lt::Algorithm* algorithm,
                         bool* usable);
  Status multiply(const Product& product, const Key& key, const Descriptors& with,
                  const cublas_lt::Algorithm& planned, void* workspace, cudaStream_t stream, bool* done);

  void* library_ = nullptr;
  cublas_lt::Functions call_{};
  cublas_lt::Handle handle_ = nullptr;
  std::vector<Choice> choices_;
};

}  // namespace lapidary::cuda

// What the tests of the built-in policy share: counted checks, a small model and packed batches.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "policy/policy.h"
#include "policy/random.h"

namespace lapidary::test {

inline int passed = 0, failed = 0;

inline void check(bool ok, const std::string& what) {
  std::printf("%s %s\n", ok ? "ok  " : "FAIL", what.c_str());
  ++(ok ? passed : failed);
}

inline PolicyConfig small_config() {
  PolicyConfig config;
  config.vocab = 23;
  config.width = 24;
  config.layers = 2;
  config.heads = 2;  // head width 12: not a multiple of the vector
  config.mlp_width = 37;
  config.max_context = 64;
  return config;
}

inline std::unique_ptr<Policy> make_policy(const PolicyConfig& config, int threads,
                                           const char* implementation = nullptr) {
  std::unique_ptr<Policy> policy;
  const Status status = Policy::create(config, 7, threads, implementation, &policy);
  if (!status.ok()) std::printf("create: %s\n", status.message.c_str());
  return policy;
}

// Larger weights than the initial ones, so that attention and gates are far from linear.
inline void sharpen(Policy& policy) {
  for (const TensorSpan& span : policy.spans(PolicyBuffer::kParameters))
    for (int64_t i = 0; i < span.size; ++i)
      span.data[i] =
          span.shape.size() == 1 ? 1.f + 0.3f * static_cast<float>(normal(3, 1, i)) : span.data[i] * 10.f;
}

struct Batch {
  std::vector<int32_t> tokens;
  std::vector<int64_t> cu{0};
  std::vector<float> weights;  // dlogp

  void add(const PolicyConfig& config, int64_t length, uint64_t stream) {
    for (int64_t t = 0; t < length; ++t) {
      tokens.push_back(static_cast<int32_t>(random_bits(11, stream, t) % config.vocab));
      weights.push_back(t % 5 == 3 ? 0.f : static_cast<float>(normal(13, stream, t)));
    }
    cu.push_back(static_cast<int64_t>(tokens.size()));
  }
  int64_t count() const { return static_cast<int64_t>(tokens.size()); }
  int64_t sequences() const { return static_cast<int64_t>(cu.size()) - 1; }
};

inline Batch make_batch(const PolicyConfig& config, const std::vector<int64_t>& lengths) {
  Batch batch;
  for (size_t i = 0; i < lengths.size(); ++i) batch.add(config, lengths[i], i);
  return batch;
}

inline std::vector<float> forward(Policy& policy, const Batch& batch, bool keep = false) {
  std::vector<float> logp(batch.tokens.size(), std::numeric_limits<float>::quiet_NaN());
  const Status status = policy.forward(batch.tokens.data(), batch.count(), batch.cu.data(), batch.sequences(),
                                       logp.data(), keep);
  if (!status.ok()) std::printf("forward: %s\n", status.message.c_str());
  return logp;
}

inline double objective(Policy& policy, const Batch& batch) {
  const std::vector<float> logp = forward(policy, batch);
  double sum = 0;
  for (size_t t = 0; t < logp.size(); ++t)
    sum += static_cast<double>(logp[t]) * static_cast<double>(batch.weights[t]);
  return sum;
}

inline bool same_bits(const float* a, const float* b, int64_t count) {
  return count == 0 || std::memcmp(a, b, static_cast<size_t>(count) * sizeof(float)) == 0;
}

inline int finish() {
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace lapidary::test

// The built-in policy: exact log-probs, gradients, AdamW steps and samples of a small transformer on the CPU.
// Results are the same to the bit for any number of threads, and a sequence's log-probs do not depend on what
// it is packed with. One policy may be used by one thread at a time. Nothing throws.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "policy/activations.h"
#include "policy/arena.h"
#include "policy/config.h"
#include "policy/layer.h"
#include "policy/parameters.h"
#include "policy/rotary.h"

namespace lapidary {

enum class PolicyBuffer { kParameters, kGradients, kFirstMoments, kSecondMoments };

// A tensor of one of the buffers; writable, e.g. to load a checkpoint.
struct TensorSpan {
  const std::string& name;
  const std::vector<int64_t>& shape;
  float* data;
  int64_t size;
};

class Policy {
 public:
  // threads 0: one per core; implementation null: the best for this CPU.
  static Status create(const PolicyConfig& config, uint64_t seed, int threads, const char* implementation,
                       std::unique_ptr<Policy>* out);

  // Sequences packed in tokens [count], sequence i at [cu_seqlens[i], cu_seqlens[i + 1]); empty ones are
  // legal. logp[t] = log-prob of tokens[t] given the tokens of its sequence before it; 0 for the first of a
  // sequence.
  Status forward(const int32_t* tokens, int64_t count, const int64_t* cu_seqlens, int64_t sequences,
                 float* logp, bool keep_for_backward);
  // Adds the gradient of sum_t dlogp[t] * logp[t] of the last kept forward, which it uses up; dlogp [count]
  // of first tokens is not read. After LAP_CANCELLED the gradients are unspecified.
  Status backward(const float* dlogp);
  void zero_gradients();
  // grad_norm (may be null) is the norm before clipping. Where it is not finite nothing changes and the call
  // fails.
  Status step(const AdamwOptions& options, double* grad_norm);
  // Leaves a kept forward as it is. On an error the outputs are unspecified.
  Status sample(const SampleRequest& request);

  const PolicyConfig& config() const { return config_; }
  const char* implementation() const { return cpu_.name; }
  int threads() const { return pool_.threads(); }
  // Polled between pieces of work; non-zero makes the running call return LAP_CANCELLED. May be null.
  void set_cancel(const int32_t* flag);

  int64_t parameter_count() const { return layout_.total; }
  float* buffer(PolicyBuffer which);  // [parameter_count]
  std::vector<TensorSpan> spans(PolicyBuffer which);
  // AdamW updates so far; set it with the moments when resuming.
  int64_t step_count() const { return step_count_; }
  void set_step_count(int64_t count) { step_count_ = count; }

 private:
  Policy(const PolicyConfig& config, const Implementation& cpu, int threads);
  Network network() const { return {config_, cpu_, layout_, rotary_, HeadShape(config_), parameters_.get()}; }
  int64_t attention_scratch(bool backward) const;
  Status worker_scratch(int64_t floats, float** out);

  Status run_forward(const int32_t* tokens, const int64_t* cu_seqlens, float* logp);
  Status pack(Direction direction, std::vector<PackedLayer>* packed);
  void attention_forward(const LayerRows& layer, float* scratch, int64_t scratch_size);
  Status head_forward();
  lap_linear_logprobs_args head_arguments() const;
  friend class BackwardPass;
  Status run_sample(const SampleRequest& request);
  double gradient_norm();

  using Floats = std::unique_ptr<float[], void (*)(void*)>;

  PolicyConfig config_;
  const Implementation& cpu_;
  ParameterLayout layout_;
  RotaryTable rotary_;
  ThreadPool pool_;
  const int32_t* cancel_ = nullptr;
  Floats parameters_, gradients_, first_moments_, second_moments_;
  int64_t step_count_ = 0;
  std::optional<Activations> activations_;
  bool kept_ = false;
  Arena activation_memory_, packed_memory_, scratch_memory_, head_memory_, backward_memory_, sample_memory_;
};

// Runs `body` and turns what it throws into a status.
template <class Body>
Status without_throwing(const Body& body) {
  try {
    return body();
  } catch (...) {
    return out_of_memory("policy");  // allocation, and the creation of threads, are all that can fail
  }
}

}  // namespace lapidary

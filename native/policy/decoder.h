// Decodes samples on one thread, a group at a time, with a cache of keys and values. A sample that ends makes
// room for the next one. Samples are independent, so the threads of a policy need not meet between tokens.
#pragma once

#include <atomic>

#include "core/thread_pool.h"
#include "policy/layer.h"

namespace lapidary {

// As many rows as a block of the matrix product takes.
constexpr int64_t kMostGroup = kGemmRows;

// What all groups of one request share.
struct DecodePlan {
  const Network& net;
  const SampleRequest& request;
  const std::vector<PackedLayer>& layers;
  const float* head;               // packed lm_head
  int64_t longest_prompt, stride;  // positions of a cache, a multiple of 8
  int64_t group;                   // most samples that one thread decodes together
};

// Hands out the samples of a request, a few neighbours at a time: they mostly share a prompt.
class SampleQueue {
 public:
  SampleQueue(int64_t samples, int64_t unit) : samples_(samples), unit_(unit) {}
  bool take(int64_t* begin, int64_t* end) {
    *begin = next_.fetch_add(unit_, std::memory_order_relaxed);
    *end = *begin + unit_ < samples_ ? *begin + unit_ : samples_;
    return *begin < samples_;
  }
  void drop_rest() { next_.store(samples_, std::memory_order_relaxed); }

 private:
  const int64_t samples_, unit_;
  std::atomic<int64_t> next_{0};
};

class Decoder {
 public:
  // With a null base it only measures: bytes().
  Decoder(void* base, const DecodePlan& plan, const int32_t* cancel);
  size_t bytes() const { return carver_.bytes(); }

  // What it gets of the queue, to rows of max_new_tokens in the request's outputs.
  Status decode(SampleQueue& queue);

  static int64_t cache_size(const Network& net, int64_t stride);  // floats of one sample

 private:
  lap_linear_logprobs_args head_arguments(int64_t rows);
  float* layer_cache(int64_t slot, int64_t layer) const;
  HeadCache cache(int64_t slot, int64_t layer, int64_t head) const;
  template <class Attention>
  void run_layers(int64_t rows, const Attention& attention);
  void final_norm(int64_t row, float* out);
  void refill(SampleQueue& queue);
  void start(int64_t sample);
  void prefill(int64_t prompt);
  void fetch_layer(int64_t slot, int64_t layer, int64_t count) const;
  void attend_layer(int64_t layer);
  Status choose();
  void drop_finished();
  void advance();
  int64_t limit(int64_t sample) const;

  const DecodePlan plan_;
  ThreadPool pool_;  // of this thread alone
  Carver carver_;
  LayerRows rows_;
  int32_t *tokens_, *positions_;  // [rows]
  float *caches_, *hidden_, *logits_, *choice_scratch_, *block_scratch_, *attention_scratch_;
  float* prompt_hidden_;  // [D], of the last token of prompt_, whose cache is in the slot after the others
  float *logp_, *lse_;
  int64_t *active_, *free_;      // [group]: slots that are decoding, and the others
  int64_t *samples_, *lengths_;  // [group]: sample and cached positions of a slot
  int64_t active_count_ = 0, free_count_ = 0, prompt_ = -1, next_ = 0, end_ = 0;
  void* head_workspace_;
};

}  // namespace lapidary

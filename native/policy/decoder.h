// Decodes a group of samples on one thread, from their prompts to their ends, with a cache of keys and
// values. Groups are independent, so the threads of a policy need not meet between tokens.
#pragma once

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
  int64_t group;                   // most samples of a group
};

class Decoder {
 public:
  // With a null base it only measures: bytes().
  Decoder(void* base, const DecodePlan& plan, const int32_t* cancel);
  size_t bytes() const { return carver_.bytes(); }

  // Samples [first, first + count), to rows of max_new_tokens in the request's outputs.
  Status decode(int64_t first, int64_t count);

  static int64_t cache_size(const Network& net, int64_t stride);  // floats of one sample

 private:
  lap_linear_logprobs_args head_arguments(int64_t rows);
  HeadCache cache(int64_t slot, int64_t layer, int64_t head);
  template <class Attention>
  void run_layers(int64_t rows, const Attention& attention);
  void final_norm(int64_t row, float* out);
  void start(int64_t first, int64_t count);
  void prefill(int64_t prompt, int64_t slot);
  void copy_slot(int64_t from, int64_t to);
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
  float *logp_, *lse_;
  int64_t *active_, *samples_,
      *lengths_;  // [group]: slots still decoding; sample and cached positions of a slot
  int64_t active_count_ = 0;
  void* head_workspace_;
};

}  // namespace lapidary

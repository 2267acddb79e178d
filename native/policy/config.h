// Plain settings and requests of the built-in policy, a Llama-shaped decoder-only transformer in f32.
#pragma once

#include <cstdint>

#include "core/status.h"

namespace lapidary {

struct PolicyConfig {
  int64_t vocab = 0;
  int64_t width = 0;  // D, of the residual stream; heads divide it into an even head width
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t mlp_width = 0;    // F
  int64_t max_context = 0;  // tokens of the longest sequence
  float rope_theta = 10000.f;
  float norm_epsilon = 1e-5f;
  bool tied_head = false;  // the head is the embedding; its gradient is the sum of both uses

  int64_t head_width() const { return width / heads; }
};

// The message names the field, what it was and what was expected.
Status validate(const PolicyConfig& config);

struct AdamwOptions {
  float lr = 1e-3f, beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
  float weight_decay = 0.f;   // decoupled; not applied to the gains of the norms
  float max_grad_norm = 1.f;  // of the whole gradient; <= 0: no clipping
};

// samples_per_prompt samples of each of `prompts` prompts; sample s of prompt p has index p *
// samples_per_prompt + s, and N is the number of samples. A sample ends with eos, after max_new_tokens, or
// when its context is full.
struct SampleRequest {
  const int32_t* tokens = nullptr;      // the prompts, packed
  int64_t count = 0;                    // of tokens
  const int64_t* cu_seqlens = nullptr;  // [prompts + 1]; no prompt is empty
  int64_t prompts = 0;
  int64_t samples_per_prompt = 1;
  int64_t max_new_tokens = 0;
  float temperature = 1.f;  // 0: the most probable token, the lowest id of equals
  int32_t eos = -1;         // -1: none
  uint64_t seed = 0;        // a sample depends on seed, its index and the prompt, on nothing else
  const int64_t* prompt_seeds = nullptr;  // [prompts] or null; where given, sample s of prompt p depends on
                                          // prompt_seeds[p], s and the prompt, not on its place or `seed`

  int32_t* out_tokens =
      nullptr;  // [N * max_new_tokens]; samples one after the other, the first sum(lengths) used
  float* out_logp = nullptr;       // same layout: at temperature 1, bit for bit what forward() gives
  int64_t* out_lengths = nullptr;  // [N], eos counted
};

}  // namespace lapidary

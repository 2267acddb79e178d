#include "policy/decoder.h"

#include <algorithm>
#include <cstring>

#include "cpu/linear_logprobs.h"
#include "policy/choose.h"
#include "policy/packed_batch.h"
#include "policy/random.h"

namespace lapidary {

int64_t Decoder::cache_size(const Network& net, int64_t stride) {
  return net.config.layers * net.config.heads * head_cache_size(net.shape, stride);
}

Decoder::Decoder(void* base, const DecodePlan& plan, const int32_t* cancel)
    : plan_(plan),
      pool_(1),
      carver_(base),
      rows_(carver_, plan.net.config, std::max(plan.longest_prompt, plan.group)) {
  const PolicyConfig& config = plan.net.config;
  const int64_t rows = std::max(plan.longest_prompt, plan.group), group = plan.group;
  pool_.set_cancel(cancel);
  tokens_ = carver_.take<int32_t>(rows);
  positions_ = carver_.take<int32_t>(rows);
  caches_ = carver_.take<float>(group * cache_size(plan.net, plan.stride));
  hidden_ = carver_.take<float>(group * config.width);
  logits_ = carver_.take<float>(group * config.vocab);
  choice_scratch_ = carver_.take<float>(config.vocab);
  block_scratch_ = carver_.take<float>(row_scratch(plan.net.cpu));
  attention_scratch_ = carver_.take<float>(attend_scratch(plan.net.shape, plan.stride));
  logp_ = carver_.take<float>(group);
  lse_ = carver_.take<float>(group);
  active_ = carver_.take<int64_t>(group);
  samples_ = carver_.take<int64_t>(group);
  lengths_ = carver_.take<int64_t>(group);
  const lap_linear_logprobs_args args = head_arguments(group);
  head_workspace_ =
      carver_.take<char>(static_cast<int64_t>(linear_logprobs_workspace(pool_, plan.net.cpu, args)));
}

lap_linear_logprobs_args Decoder::head_arguments(int64_t rows) {
  lap_linear_logprobs_args args{};
  args.struct_size = sizeof args;
  args.hidden = hidden_;
  args.weight = plan_.net.parameters + plan_.net.layout.head;
  args.dtype = LAP_F32;
  args.rows = rows;
  args.vocab = plan_.net.config.vocab;
  args.width = args.hidden_stride = args.weight_stride = plan_.net.config.width;
  args.targets = tokens_;
  args.ignore_index = kNoTarget;
  args.transform.temperature = 1.f;
  args.logp = logp_;
  args.lse = lse_;
  return args;
}

HeadCache Decoder::cache(int64_t slot, int64_t layer, int64_t head) {
  const int64_t size = head_cache_size(plan_.net.shape, plan_.stride);
  const int64_t index = (slot * plan_.net.config.layers + layer) * plan_.net.config.heads + head;
  return head_cache(caches_ + index * size, plan_.net.shape, plan_.stride);
}

// tokens_, positions_ -> rows_.input, the residual stream after the last layer. attention(layer, head, head's
// column) reads rows_.qkv and writes rows_.attended.
template <class Attention>
void Decoder::run_layers(int64_t rows, const Attention& attention) {
  const Network& net = plan_.net;
  embed_rows(net, tokens_, 0, rows, rows_.input);
  for (int64_t layer = 0; layer < net.config.layers && !pool_.is_cancelled(); ++layer) {
    const PackedLayer& packed = plan_.layers[static_cast<size_t>(layer)];
    for (int64_t begin = 0; begin < rows; begin += kGemmRows) {
      before_attention(net, layer, packed, rows_, positions_,
                       {begin, std::min(kGemmRows, rows - begin), block_scratch_});
    }
    for (int64_t head = 0; head < net.config.heads; ++head) attention(layer, head, head * net.shape.width);
    for (int64_t begin = 0; begin < rows; begin += kGemmRows) {
      after_attention(net, layer, packed, rows_, rows_.input,
                      {begin, std::min(kGemmRows, rows - begin), block_scratch_});
    }
  }
}

void Decoder::final_norm(int64_t row, float* out) {
  const Network& net = plan_.net;
  net.cpu.rms_norm(rows_.input + row * net.config.width, net.parameters + net.layout.norm, net.config.width,
                   net.config.norm_epsilon, out);
}

void Decoder::prefill(int64_t prompt, int64_t slot) {
  const int64_t width = plan_.net.config.width, start = plan_.request.cu_seqlens[prompt];
  const int64_t length = plan_.request.cu_seqlens[prompt + 1] - start;
  for (int64_t t = 0; t < length; ++t) {
    tokens_[t] = plan_.request.tokens[start + t];
    positions_[t] = static_cast<int32_t>(t);
  }
  run_layers(length, [&](int64_t layer, int64_t head, int64_t column) {
    const HeadCache keys = cache(slot, layer, head);
    const float* qkv = rows_.qkv + column;
    for (int64_t t = 0; t < length; ++t)
      store_position(plan_.net.shape, keys, t, qkv + 3 * width * t + width, qkv + 3 * width * t + 2 * width);
    attend_rows(plan_.net.cpu, plan_.net.shape, {qkv, 3 * width}, 0, length, keys, rows_.attended + column,
                width, nullptr, nullptr, attention_scratch_);
  });
  final_norm(length - 1, hidden_ + slot * width);
  lengths_[slot] = length;
}

void Decoder::copy_slot(int64_t from, int64_t to) {
  const int64_t width = plan_.net.config.width, padded = plan_.net.shape.padded, length = lengths_[from];
  for (int64_t layer = 0; layer < plan_.net.config.layers; ++layer) {
    for (int64_t head = 0; head < plan_.net.config.heads; ++head) {
      const HeadCache source = cache(from, layer, head), target = cache(to, layer, head);
      for (int64_t d = 0; d < padded; ++d)
        std::copy_n(source.keys_t + d * plan_.stride, length, target.keys_t + d * plan_.stride);
      std::copy_n(source.values, length * padded, target.values);
    }
  }
  std::memcpy(hidden_ + to * width, hidden_ + from * width, static_cast<size_t>(width) * sizeof(float));
  lengths_[to] = length;
}

int64_t Decoder::limit(int64_t sample) const {
  const int64_t prompt = sample / plan_.request.samples_per_prompt;
  const int64_t length = plan_.request.cu_seqlens[prompt + 1] - plan_.request.cu_seqlens[prompt];
  return std::min(plan_.request.max_new_tokens, plan_.net.config.max_context - length);
}

// Fills slots [0, count). Samples of one prompt are neighbours: the first computes it, the others copy.
void Decoder::start(int64_t first, int64_t count) {
  int64_t prompt = -1;
  active_count_ = 0;
  for (int64_t slot = 0; slot < count; ++slot) {
    const int64_t sample = first + slot;
    samples_[slot] = sample;
    plan_.request.out_lengths[sample] = 0;
    if (sample / plan_.request.samples_per_prompt == prompt) {
      copy_slot(slot - 1, slot);
    } else {
      prompt = sample / plan_.request.samples_per_prompt;
      prefill(prompt, slot);
    }
    active_[active_count_++] = slot;
  }
}

// From hidden_ [active] to one token more of every active sample, left in tokens_ too.
Status Decoder::choose() {
  const SampleRequest& request = plan_.request;
  const PolicyConfig& config = plan_.net.config;
  multiply_block(plan_.net.cpu, {hidden_, config.width, plan_.head, config.vocab, logits_, false}, 0,
                 active_count_, block_scratch_);
  for (int64_t i = 0; i < active_count_; ++i) {
    const int64_t sample = samples_[active_[i]];
    const double draw = uniform(request.seed, static_cast<uint64_t>(sample),
                                static_cast<uint64_t>(request.out_lengths[sample]));
    tokens_[i] = choose_token(plan_.net.cpu, logits_ + i * config.vocab, config.vocab, request.temperature,
                              draw, choice_scratch_);
    if (tokens_[i] == kNoChoice) return wrong_state("the parameters give logits that are not finite");
  }
  // Not from the logits at hand: the very function that forward() uses makes the log-prob the same to the
  // bit.
  lap_linear_logprobs_args args = head_arguments(active_count_);
  args.workspace = head_workspace_;
  args.workspace_bytes = linear_logprobs_workspace(pool_, plan_.net.cpu, args);
  LAP_TRY(linear_logprobs(pool_, plan_.net.cpu, args));
  for (int64_t i = 0; i < active_count_; ++i) {
    const int64_t sample = samples_[active_[i]];
    const int64_t at = sample * request.max_new_tokens + request.out_lengths[sample]++;
    request.out_tokens[at] = tokens_[i];
    request.out_logp[at] = logp_[i];
  }
  return ok_status();
}

void Decoder::drop_finished() {
  int64_t kept = 0;
  for (int64_t i = 0; i < active_count_; ++i) {
    const int64_t sample = samples_[active_[i]];
    if (tokens_[i] == plan_.request.eos || plan_.request.out_lengths[sample] >= limit(sample)) continue;
    active_[kept] = active_[i];
    tokens_[kept++] = tokens_[i];
  }
  active_count_ = kept;
}

// Runs the tokens just chosen through the layers: hidden_ [active] for the next choice.
void Decoder::advance() {
  const int64_t width = plan_.net.config.width;
  for (int64_t i = 0; i < active_count_; ++i) positions_[i] = static_cast<int32_t>(lengths_[active_[i]]++);
  run_layers(active_count_, [&](int64_t layer, int64_t head, int64_t column) {
    for (int64_t i = 0; i < active_count_; ++i) {
      const HeadCache keys = cache(active_[i], layer, head);
      const float* q = rows_.qkv + 3 * width * i + column;
      store_position(plan_.net.shape, keys, positions_[i], q + width, q + 2 * width);
      attend_rows(plan_.net.cpu, plan_.net.shape, {q, 0}, positions_[i], 1, keys,
                  rows_.attended + width * i + column, width, nullptr, nullptr, attention_scratch_);
    }
  });
  for (int64_t i = 0; i < active_count_; ++i) final_norm(i, hidden_ + i * width);
}

Status Decoder::decode(int64_t first, int64_t count) {
  start(first, count);
  // A prompt as long as the context leaves no room; its samples end before their first token.
  int64_t kept = 0;
  for (int64_t slot = 0; slot < count; ++slot) {
    if (limit(samples_[slot]) <= 0) continue;
    if (kept != slot) {
      const int64_t width = plan_.net.config.width;
      std::memcpy(hidden_ + kept * width, hidden_ + slot * width, static_cast<size_t>(width) * sizeof(float));
    }
    active_[kept++] = slot;
  }
  active_count_ = kept;
  while (active_count_ > 0) {
    if (pool_.is_cancelled()) return cancelled();
    LAP_TRY(choose());
    drop_finished();
    advance();
  }
  return pool_.is_cancelled() ? cancelled() : ok_status();
}

}  // namespace lapidary

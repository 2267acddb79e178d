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
  caches_ = carver_.take<float>((group + 1) * cache_size(plan.net, plan.stride));
  hidden_ = carver_.take<float>(group * config.width);
  prompt_hidden_ = carver_.take<float>(config.width);
  logits_ = carver_.take<float>(group * config.vocab);
  choice_scratch_ = carver_.take<float>(config.vocab);
  block_scratch_ = carver_.take<float>(row_scratch(plan.net.cpu));
  const int64_t all_heads = config.heads * (plan.stride + plan.net.shape.padded);
  attention_scratch_ = carver_.take<float>(std::max(all_heads, attend_scratch(plan.net.shape, plan.stride)));
  logp_ = carver_.take<float>(group);
  lse_ = carver_.take<float>(group);
  active_ = carver_.take<int64_t>(group);
  free_ = carver_.take<int64_t>(group);
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

float* Decoder::layer_cache(int64_t slot, int64_t layer) const {
  const int64_t size = plan_.net.config.heads * head_cache_size(plan_.net.shape, plan_.stride);
  return caches_ + (slot * plan_.net.config.layers + layer) * size;
}

HeadCache Decoder::cache(int64_t slot, int64_t layer, int64_t head) const {
  const int64_t size = head_cache_size(plan_.net.shape, plan_.stride);
  return head_cache(layer_cache(slot, layer) + head * size, plan_.net.shape, plan_.stride);
}

// tokens_, positions_ -> rows_.input, the residual stream after the last layer. attention(layer) reads
// rows_.qkv and writes rows_.attended.
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
    attention(layer);
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

// Into the slot after those of the samples.
void Decoder::prefill(int64_t prompt) {
  const Network& net = plan_.net;
  const int64_t width = net.config.width, start = plan_.request.cu_seqlens[prompt];
  const int64_t length = plan_.request.cu_seqlens[prompt + 1] - start;
  for (int64_t t = 0; t < length; ++t) {
    tokens_[t] = plan_.request.tokens[start + t];
    positions_[t] = static_cast<int32_t>(t);
  }
  run_layers(length, [&](int64_t layer) {
    for (int64_t head = 0; head < net.config.heads; ++head) {
      const HeadCache keys = cache(plan_.group, layer, head);
      const int64_t column = head * net.shape.width;
      const float* qkv = rows_.qkv + column;
      for (int64_t t = 0; t < length; ++t) {
        const float* key = qkv + 3 * width * t + width;
        store_position(net.shape, keys, t, key, key + width);
      }
      attend_rows(net.cpu, net.shape,
                  {0,
                   length,
                   {qkv, 3 * width},
                   keys.keys,
                   keys.stride,
                   {keys.values, net.shape.padded},
                   rows_.attended + column,
                   width,
                   nullptr,
                   nullptr},
                  attention_scratch_);
    }
  });
  final_norm(length - 1, prompt_hidden_);
  prompt_ = prompt;
}

int64_t Decoder::limit(int64_t sample) const {
  const int64_t prompt = sample / plan_.request.samples_per_prompt;
  const int64_t length = plan_.request.cu_seqlens[prompt + 1] - plan_.request.cu_seqlens[prompt];
  return std::min(plan_.request.max_new_tokens, plan_.net.config.max_context - length);
}

// Gives free slots to the samples that wait.
void Decoder::refill(SampleQueue& queue) {
  while (free_count_ > 0) {
    if (next_ == end_ && !queue.take(&next_, &end_)) {
      next_ = end_;
      return;
    }
    start(next_++);
  }
}

void Decoder::start(int64_t sample) {
  const Network& net = plan_.net;
  const int64_t prompt = sample / plan_.request.samples_per_prompt;
  plan_.request.out_lengths[sample] = 0;
  // A prompt as long as the context leaves no room; its samples end before their first token.
  if (limit(sample) <= 0) return;
  if (prompt != prompt_) prefill(prompt);
  const int64_t slot = free_[--free_count_];
  const int64_t length = plan_.request.cu_seqlens[prompt + 1] - plan_.request.cu_seqlens[prompt];
  for (int64_t layer = 0; layer < net.config.layers; ++layer) {
    for (int64_t head = 0; head < net.config.heads; ++head) {
      const HeadCache source = cache(plan_.group, layer, head), target = cache(slot, layer, head);
      std::copy_n(source.keys, round_up_8(length) * net.shape.width, target.keys);
      std::copy_n(source.values, length * net.shape.padded, target.values);
    }
  }
  std::copy_n(prompt_hidden_, net.config.width, hidden_ + active_count_ * net.config.width);
  samples_[slot] = sample;
  lengths_[slot] = length;
  active_[active_count_++] = slot;
}

// The number in [0, 1) that decides the sample's next token.
static double draw_of(const SampleRequest& request, int64_t sample) {
  const auto at = static_cast<uint64_t>(request.out_lengths[sample]);
  if (request.prompt_seeds == nullptr) return uniform(request.seed, static_cast<uint64_t>(sample), at);
  return uniform(static_cast<uint64_t>(request.prompt_seeds[sample / request.samples_per_prompt]),
                 static_cast<uint64_t>(sample % request.samples_per_prompt), at);
}

// From hidden_ [active] to one token more of every active sample, left in tokens_ too.
Status Decoder::choose() {
  const SampleRequest& request = plan_.request;
  const PolicyConfig& config = plan_.net.config;
  multiply_block(plan_.net.cpu, {hidden_, config.width, plan_.head, config.vocab, logits_, false}, 0,
                 active_count_, block_scratch_);
  for (int64_t i = 0; i < active_count_; ++i) {
    const int64_t sample = samples_[active_[i]];
    const double draw = draw_of(request, sample);
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
    if (tokens_[i] == plan_.request.eos || plan_.request.out_lengths[sample] >= limit(sample)) {
      free_[free_count_++] = active_[i];
      continue;
    }
    active_[kept] = active_[i];
    tokens_[kept++] = tokens_[i];
  }
  active_count_ = kept;
}

// The caches of a group are larger than the second-level cache: what the next sample needs is fetched while
// this one is worked on.
void Decoder::fetch_layer(int64_t slot, int64_t layer, int64_t count) const {
  const HeadShape& shape = plan_.net.shape;
  const auto fetch = [](const float* from, int64_t floats) {
    for (int64_t i = 0; i < floats; i += 16) __builtin_prefetch(from + i, 0, 2);
  };
  for (int64_t head = 0; head < plan_.net.config.heads; ++head) {
    const HeadCache keys = cache(slot, layer, head);
    fetch(keys.keys, round_up_8(count) * shape.width);
    fetch(keys.values, count * shape.padded);
  }
}

// The newest position of every active sample, whose keys and values it stores.
void Decoder::attend_layer(int64_t layer) {
  const Network& net = plan_.net;
  const HeadShape& shape = net.shape;
  const int64_t width = net.config.width, heads = net.config.heads;
  const int64_t size = head_cache_size(shape, plan_.stride);
  float* staged = attention_scratch_ + heads * plan_.stride;
  for (int64_t i = 0; i < active_count_; ++i) {
    if (i + 1 < active_count_) fetch_layer(active_[i + 1], layer, positions_[i + 1] + 1);
    float* base = layer_cache(active_[i], layer);
    const float* q = rows_.qkv + 3 * width * i;
    for (int64_t head = 0; head < heads; ++head) {
      const float* key = q + width + head * shape.width;
      store_position(shape, head_cache(base + head * size, shape, plan_.stride), positions_[i], key,
                     key + width);
    }
    const HeadCache first = head_cache(base, shape, plan_.stride);
    // Results come in whole vectors.
    float* out = rows_.attended + width * i;
    const bool direct = shape.width == shape.padded;
    net.cpu.attend_step({heads, positions_[i] + 1, shape.width, shape.scale, q, first.keys, first.values,
                         size, attention_scratch_, plan_.stride, direct ? out : staged});
    for (int64_t head = 0; head < heads && !direct; ++head)
      std::copy_n(staged + head * shape.padded, shape.width, out + head * shape.width);
  }
}

// Runs the tokens just chosen through the layers: hidden_ [active] for the next choice.
void Decoder::advance() {
  for (int64_t i = 0; i < active_count_; ++i) positions_[i] = static_cast<int32_t>(lengths_[active_[i]]++);
  run_layers(active_count_, [&](int64_t layer) { attend_layer(layer); });
  for (int64_t i = 0; i < active_count_; ++i) final_norm(i, hidden_ + i * plan_.net.config.width);
}

Status Decoder::decode(SampleQueue& queue) {
  active_count_ = free_count_ = next_ = end_ = 0;
  while (free_count_ < plan_.group) {
    free_[free_count_] = free_count_;
    ++free_count_;
  }
  for (;;) {
    refill(queue);
    if (pool_.is_cancelled()) return cancelled();
    if (active_count_ == 0) return ok_status();
    LAP_TRY(choose());
    drop_finished();
    advance();
  }
}

}  // namespace lapidary

// sample(): checks, memory, and the packing of the results.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>

#include "core/checked.h"
#include "policy/decoder.h"
#include "policy/policy.h"

namespace lapidary {
namespace {

constexpr int64_t kQueueUnit = 8;
constexpr double kCacheBytes = 64e6;  // of the caches of one thread; a group of one may take more

Status validate(const PolicyConfig& config, const SampleRequest& r) {
  if (r.prompts == 0 && r.count == 0 && r.cu_seqlens == nullptr) return ok_status();
  LAP_TRY(validate_packed(config, r.tokens, r.count, r.cu_seqlens, r.prompts, 1));
  if (r.samples_per_prompt < 0)
    return invalid("samples_per_prompt is " + std::to_string(r.samples_per_prompt) +
                   "; expected a number >= 0");
  if (r.max_new_tokens < 0)
    return invalid("max_new_tokens is " + std::to_string(r.max_new_tokens) + "; expected a number >= 0");
  if (!std::isfinite(r.temperature) || r.temperature < 0)
    return invalid("temperature is " + std::to_string(r.temperature) + "; expected a finite number >= 0");
  if (r.eos < -1 || r.eos >= config.vocab)
    return invalid("eos is " + std::to_string(r.eos) + "; expected -1 or an id below " +
                   std::to_string(config.vocab));
  int64_t samples = 0, tokens = 0;
  if (!multiply_checked(r.prompts, r.samples_per_prompt, &samples) ||
      !multiply_checked(samples, r.max_new_tokens, &tokens) || tokens > INT64_MAX / 16)
    return invalid("samples_per_prompt * max_new_tokens is too large");
  if (samples > 0 && r.out_lengths == nullptr) return invalid("out_lengths is null");
  if (tokens > 0 && (r.out_tokens == nullptr || r.out_logp == nullptr))
    return invalid("out_tokens or out_logp is null");
  return ok_status();
}

int64_t longest_prompt(const SampleRequest& request) {
  int64_t longest = 0;
  for (int64_t i = 0; i < request.prompts; ++i)
    longest = std::max(longest, request.cu_seqlens[i + 1] - request.cu_seqlens[i]);
  return longest;
}

int64_t group_size(const Network& net, int64_t stride, int64_t samples, int threads) {
  const double one = static_cast<double>(Decoder::cache_size(net, stride)) * sizeof(float);
  const int64_t affordable = std::max<int64_t>(1, static_cast<int64_t>(kCacheBytes / one));
  return std::min({kMostGroup, affordable, (samples + threads - 1) / threads});
}

// Rows of max_new_tokens -> one sample after the other, in place.
void pack_results(const SampleRequest& request, int64_t samples) {
  int64_t to = 0;
  for (int64_t sample = 0; sample < samples; ++sample) {
    const int64_t from = sample * request.max_new_tokens, length = request.out_lengths[sample];
    std::copy_n(request.out_tokens + from, length, request.out_tokens + to);
    std::copy_n(request.out_logp + from, length, request.out_logp + to);
    to += length;
  }
}

}  // namespace

Status Policy::sample(const SampleRequest& request) {
  return without_throwing([&]() -> Status {
    LAP_TRY(validate(config_, request));
    const int64_t samples = request.prompts * request.samples_per_prompt;
    if (samples == 0) return ok_status();
    if (request.max_new_tokens == 0) {
      std::fill_n(request.out_lengths, samples, 0);
      return ok_status();
    }
    LAP_TRY(run_sample(request));
    pack_results(request, samples);
    return ok_status();
  });
}

Status Policy::run_sample(const SampleRequest& request) {
  const Network net = network();
  const int64_t samples = request.prompts * request.samples_per_prompt;
  std::vector<PackedLayer> packed;
  LAP_TRY(pack(Direction::kForward, &packed));
  const int64_t longest = longest_prompt(request);
  const int64_t stride =
      round_up_8(longest + std::min(request.max_new_tokens, config_.max_context - longest));
  const int64_t head_size = packed_size(cpu_, config_.vocab, config_.width);
  if (static_cast<double>(Decoder::cache_size(net, 8)) * static_cast<double>(stride) > 1e14)
    return out_of_memory("sampling");
  DecodePlan plan{
      net, request, packed, nullptr, longest, stride, group_size(net, stride, samples, threads())};
  const size_t bytes = Decoder(nullptr, plan, cancel_).bytes();
  void* memory = nullptr;
  LAP_TRY(sample_memory_.reserve(static_cast<size_t>(head_size) * sizeof(float) + 64 + bytes * threads(),
                                 "sampling", &memory));
  float* head = static_cast<float*>(memory);
  pack_matrix(pool_, cpu_, transposed(parameters_.get() + layout_.head, config_.width), config_.vocab,
              config_.width, head);
  plan.head = head;
  std::vector<std::unique_ptr<Decoder>> decoders;
  for (int worker = 0; worker < threads(); ++worker) {
    char* base = static_cast<char*>(memory) + static_cast<size_t>(head_size) * sizeof(float) + bytes * worker;
    decoders.push_back(std::make_unique<Decoder>(base, plan, cancel_));
  }
  std::vector<Status> failures(static_cast<size_t>(threads()));
  SampleQueue queue(samples, std::min(plan.group, kQueueUnit));
  pool_.parallel_for(threads(), [&](int64_t, int worker) {
    Status& failure = failures[static_cast<size_t>(worker)];
    if (!failure.ok()) return;
    failure = without_throwing([&] { return decoders[static_cast<size_t>(worker)]->decode(queue); });
    if (!failure.ok()) queue.drop_rest();
  });
  if (pool_.is_cancelled()) return cancelled();
  for (const Status& failure : failures) LAP_TRY(failure);
  return ok_status();
}

}  // namespace lapidary

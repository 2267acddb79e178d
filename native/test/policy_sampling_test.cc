// Samples whose log-probs forward() repeats to the bit, and their distribution.
#include "test/policy_fixture.h"

using namespace lapidary;
using namespace lapidary::test;

namespace {

struct Samples {
  std::vector<int32_t> tokens;
  std::vector<float> logp;
  std::vector<int64_t> lengths;
};

Samples sample(Policy& policy, const Batch& prompts, int64_t each, float temperature, int32_t eos,
               uint64_t seed) {
  SampleRequest request;
  request.tokens = prompts.tokens.data();
  request.count = prompts.count();
  request.cu_seqlens = prompts.cu.data();
  request.prompts = prompts.sequences();
  request.samples_per_prompt = each;
  request.max_new_tokens = 40;
  request.temperature = temperature;
  request.eos = eos;
  request.seed = seed;
  const int64_t samples = request.prompts * each;
  Samples out;
  out.tokens.resize(samples * request.max_new_tokens);
  out.logp.resize(samples * request.max_new_tokens);
  out.lengths.resize(samples);
  request.out_tokens = out.tokens.data();
  request.out_logp = out.logp.data();
  request.out_lengths = out.lengths.data();
  const Status status = policy.sample(request);
  if (!status.ok()) std::printf("sample: %s\n", status.message.c_str());
  int64_t total = 0;
  for (const int64_t length : out.lengths) total += length;
  out.tokens.resize(total);
  out.logp.resize(total);
  return out;
}

bool same_samples(const Samples& a, const Samples& b) {
  return a.tokens == b.tokens && a.lengths == b.lengths && a.logp.size() == b.logp.size() &&
         same_bits(a.logp.data(), b.logp.data(), static_cast<int64_t>(a.logp.size()));
}

// Prompt and response of every sample, through forward().
bool replays(Policy& policy, const Batch& prompts, int64_t each, const Samples& samples) {
  Batch replay;
  std::vector<int64_t> response_at;
  int64_t at = 0;
  for (size_t i = 0; i < samples.lengths.size(); ++i) {
    const int64_t prompt = static_cast<int64_t>(i) / each;
    for (int64_t t = prompts.cu[prompt]; t < prompts.cu[prompt + 1]; ++t)
      replay.tokens.push_back(prompts.tokens[t]);
    response_at.push_back(replay.count());
    for (int64_t k = 0; k < samples.lengths[i]; ++k) replay.tokens.push_back(samples.tokens[at++]);
    replay.cu.push_back(replay.count());
  }
  const std::vector<float> logp = forward(policy, replay);
  at = 0;
  bool same = true;
  for (size_t i = 0; i < samples.lengths.size(); ++i) {
    same &= same_bits(logp.data() + response_at[i], samples.logp.data() + at, samples.lengths[i]);
    at += samples.lengths[i];
  }
  return same;
}

void check_sampling(const char* implementation) {
  const PolicyConfig config = small_config();
  const auto policy = make_policy(config, 2, implementation), other = make_policy(config, 1, implementation);
  sharpen(*policy);
  sharpen(*other);
  const std::string name = std::string(policy->implementation()) + ": ";
  const Batch prompts = make_batch(config, {5, 9, 1, 33, 64, 40, 12});
  const Samples seeded = sample(*policy, prompts, 20, 0.8f, 2, 42);
  check(replays(*policy, prompts, 20, seeded),
        name + "forward() repeats the log-probs of samples to the bit");
  check(same_samples(seeded, sample(*policy, prompts, 20, 0.8f, 2, 42)), name + "sampling repeats");
  check(same_samples(seeded, sample(*other, prompts, 20, 0.8f, 2, 42)),
        name + "samples do not depend on threads");
  check(!same_samples(seeded, sample(*policy, prompts, 20, 0.8f, 2, 43)),
        name + "another seed, other samples");
  bool ends = true, fits = true;
  int64_t at = 0, stopped = 0;
  for (size_t i = 0; i < seeded.lengths.size(); ++i) {
    const int64_t prompt = static_cast<int64_t>(i) / 20, length = seeded.lengths[i];
    const int64_t room = std::min<int64_t>(40, 64 - (prompts.cu[prompt + 1] - prompts.cu[prompt]));
    fits &= length <= room;
    for (int64_t k = 0; k < length; ++k) ends &= (seeded.tokens[at + k] == 2) <= (k == length - 1);
    const bool eos = length > 0 && seeded.tokens[at + length - 1] == 2;
    stopped += eos;
    ends &= eos || length == room;
    at += length;
  }
  check(fits, name + "samples stay within max_context");
  check(ends && stopped > 0, name + "samples end at eos or when they are full");
  const Samples greedy = sample(*policy, prompts, 2, 0.f, -1, 1);
  check(replays(*policy, prompts, 2, greedy),
        name + "forward() repeats the log-probs of greedy samples to the bit");
  check(same_samples(greedy, sample(*policy, prompts, 2, 0.f, -1, 2)),
        name + "greedy samples do not depend on the seed");
  check(same_samples(sample(*policy, prompts, 2, 1e-30f, -1, 1), greedy),
        name + "temperature near 0 is greedy");
}

// The frequency of first tokens against the probabilities.
void check_distribution() {
  const PolicyConfig config = small_config();
  const auto policy = make_policy(config, 2);
  sharpen(*policy);
  const Batch prompt = make_batch(config, {6});
  constexpr int64_t kDraws = 4000;
  const Samples draws = sample(*policy, prompt, kDraws, 1.f, -1, 9);
  std::vector<double> counts(config.vocab, 0.0);
  int64_t at = 0;
  for (const int64_t length : draws.lengths) {
    counts[draws.tokens[at]] += 1;
    at += length;
  }
  double statistic = 0, total = 0;
  for (int32_t v = 0; v < config.vocab; ++v) {
    Batch batch = prompt;
    batch.tokens.push_back(v);
    batch.cu.back() = batch.count();
    const double p = std::exp(static_cast<double>(forward(*policy, batch).back()));
    total += p;
    statistic += (counts[v] - kDraws * p) * (counts[v] - kDraws * p) / (kDraws * p);
  }
  check(std::fabs(total - 1) < 1e-5, "the probabilities of all next tokens sum to 1");
  check(statistic < 50, "samples follow the probabilities (chi-squared, 22 degrees of freedom)");
}

}  // namespace

int main() {
  for (const char* implementation : {static_cast<const char*>(nullptr), "portable"})
    check_sampling(implementation);
  check_distribution();
  return finish();
}

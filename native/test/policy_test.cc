// Tests of the built-in policy: exact gradients, results that depend on neither packing nor threads, samples
// whose log-probs forward() repeats to the bit, and errors. Prints a line per check; the exit status is the
// number failed.
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

using namespace lapidary;

namespace {

int passed = 0, failed = 0;

void check(bool ok, const std::string& what) {
  std::printf("%s %s\n", ok ? "ok  " : "FAIL", what.c_str());
  ++(ok ? passed : failed);
}

PolicyConfig small_config() {
  PolicyConfig config;
  config.vocab = 23;
  config.width = 24;
  config.layers = 2;
  config.heads = 2;  // head width 12: not a multiple of the vector
  config.mlp_width = 37;
  config.max_context = 64;
  return config;
}

std::unique_ptr<Policy> make_policy(const PolicyConfig& config, int threads,
                                    const char* implementation = nullptr) {
  std::unique_ptr<Policy> policy;
  const Status status = Policy::create(config, 7, threads, implementation, &policy);
  if (!status.ok()) std::printf("create: %s\n", status.message.c_str());
  return policy;
}

// Larger weights than the initial ones, so that attention and gates are far from linear.
void sharpen(Policy& policy) {
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

Batch make_batch(const PolicyConfig& config, const std::vector<int64_t>& lengths) {
  Batch batch;
  for (size_t i = 0; i < lengths.size(); ++i) batch.add(config, lengths[i], i);
  return batch;
}

std::vector<float> forward(Policy& policy, const Batch& batch, bool keep = false) {
  std::vector<float> logp(batch.tokens.size(), std::numeric_limits<float>::quiet_NaN());
  const Status status = policy.forward(batch.tokens.data(), batch.count(), batch.cu.data(), batch.sequences(),
                                       logp.data(), keep);
  if (!status.ok()) std::printf("forward: %s\n", status.message.c_str());
  return logp;
}

double objective(Policy& policy, const Batch& batch) {
  const std::vector<float> logp = forward(policy, batch);
  double sum = 0;
  for (size_t t = 0; t < logp.size(); ++t)
    sum += static_cast<double>(logp[t]) * static_cast<double>(batch.weights[t]);
  return sum;
}

bool same_bits(const float* a, const float* b, int64_t count) {
  return count == 0 || std::memcmp(a, b, static_cast<size_t>(count) * sizeof(float)) == 0;
}

// Entries whose gradient is large against the rounding of an f32 forward are compared one by one.
void check_gradients(const char* implementation) {
  const PolicyConfig config = small_config();
  const auto policy = make_policy(config, 2, implementation);
  sharpen(*policy);
  const Batch batch = make_batch(config, {19, 1, 0, 33, 2});
  forward(*policy, batch, true);
  check(policy->backward(batch.weights.data()).ok(),
        std::string(policy->implementation()) + ": backward runs");
  const auto parameters = policy->spans(PolicyBuffer::kParameters);
  const auto gradients = policy->spans(PolicyBuffer::kGradients);
  for (size_t t = 0; t < parameters.size(); ++t) {
    double error = 0, size = 0;
    for (int64_t k = 0; k < 8; ++k) {
      const int64_t i =
          static_cast<int64_t>(random_bits(5, t, k) % static_cast<uint64_t>(parameters[t].size));
      float& value = parameters[t].data[i];
      const float before = value, step = 4e-3f;
      value = before + step;
      const double high = objective(*policy, batch), above = value;
      value = before - step;
      const double slope = (high - objective(*policy, batch)) / (above - static_cast<double>(value));
      value = before;
      error = std::max(error, std::fabs(slope - static_cast<double>(gradients[t].data[i])));
      size = std::max(size, std::fabs(slope));
    }
    char line[160];
    std::snprintf(line, sizeof line, "%s: gradient of %s: error %.1e of %.1e", policy->implementation(),
                  parameters[t].name.c_str(), error, size);
    check(size > 0 && error < 1e-2 * size, line);
  }
}

void check_packing() {
  const PolicyConfig config = small_config();
  const auto policy = make_policy(config, 2);
  sharpen(*policy);
  const Batch packed = make_batch(config, {30, 1, 64, 0, 17, 55, 5});
  const std::vector<float> together = forward(*policy, packed);
  bool same = true, zero = true;
  for (int64_t i = 0; i < packed.sequences(); ++i) {
    Batch alone;
    alone.add(config, packed.cu[i + 1] - packed.cu[i], i);
    const std::vector<float> logp = forward(*policy, alone);
    same &= same_bits(logp.data(), together.data() + packed.cu[i], alone.count());
    zero &= alone.count() == 0 || logp[0] == 0.f;
  }
  check(same, "a sequence alone and packed has the same bits");
  check(zero, "the first token of a sequence has log-prob 0");
  const std::vector<float> kept = forward(*policy, packed, true);
  check(same_bits(kept.data(), together.data(), packed.count()), "keeping activations changes no bit");
  check(
      policy->forward(nullptr, 0, packed.cu.data(), 0, nullptr, true).ok() && policy->backward(nullptr).ok(),
      "an empty batch is legal");
}

std::vector<float> train(Policy& policy, int steps) {
  AdamwOptions options;
  options.lr = 3e-3f;
  options.weight_decay = 0.1f;
  for (int step = 0; step < steps; ++step) {
    const Batch batch = make_batch(policy.config(), {30, 41, 9, 64, 1, 50});
    policy.zero_gradients();
    forward(policy, batch, true);
    std::vector<float> dlogp(batch.tokens.size(), -1.f / static_cast<float>(batch.count()));
    if (!policy.backward(dlogp.data()).ok() || !policy.step(options, nullptr).ok())
      std::printf("train failed\n");
  }
  const float* parameters = policy.buffer(PolicyBuffer::kParameters);
  return {parameters, parameters + policy.parameter_count()};
}

void check_training() {
  const PolicyConfig config = small_config();
  const auto one = make_policy(config, 1), two = make_policy(config, 2), five = make_policy(config, 5);
  const Batch batch = make_batch(config, {30, 41, 9, 64, 1, 50});
  const auto mean = [&](Policy& policy) {
    double sum = 0;
    for (const float value : forward(policy, batch)) sum += static_cast<double>(value);
    return sum / static_cast<double>(batch.count());
  };
  const double before = mean(*one);
  const std::vector<float> a = train(*one, 20), b = train(*two, 20), c = train(*five, 20);
  check(same_bits(a.data(), b.data(), static_cast<int64_t>(a.size())),
        "1 and 2 threads train to the same bits");
  check(same_bits(a.data(), c.data(), static_cast<int64_t>(a.size())),
        "1 and 5 threads train to the same bits");
  check(one->step_count() == 20, "steps are counted");
  check(mean(*one) > before + 0.3, "training raises the log-probs");
}

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

void expect_error(const Status& status, lap_status code, const char* part) {
  check(status.code == code && status.message.find(part) != std::string::npos,
        std::string("error: ") + status.message);
}

void check_argument_errors() {
  PolicyConfig config = small_config();
  std::unique_ptr<Policy> none;
  config.heads = 5;
  expect_error(Policy::create(config, 1, 1, nullptr, &none), LAP_INVALID_ARGUMENT, "heads");
  config = small_config();
  config.mlp_width = 0;
  expect_error(Policy::create(config, 1, 1, nullptr, &none), LAP_INVALID_ARGUMENT, "mlp_width");
  expect_error(Policy::create(small_config(), 1, 1, "mmx", &none), LAP_INVALID_ARGUMENT, "implementation");
  const auto policy = make_policy(small_config(), 2);
  std::vector<float> logp(100);
  Batch batch = make_batch(small_config(), {65});
  expect_error(policy->forward(batch.tokens.data(), 65, batch.cu.data(), 1, logp.data(), false),
               LAP_INVALID_ARGUMENT, "max_context");
  batch = make_batch(small_config(), {10, 10});
  batch.tokens[13] = 23;
  expect_error(policy->forward(batch.tokens.data(), 20, batch.cu.data(), 2, logp.data(), false),
               LAP_INVALID_ARGUMENT, "tokens[13]");
  batch.cu[1] = -3;
  expect_error(policy->forward(batch.tokens.data(), 20, batch.cu.data(), 2, logp.data(), false),
               LAP_INVALID_ARGUMENT, "cu_seqlens[1]");
  expect_error(policy->backward(logp.data()), LAP_WRONG_STATE, "forward");
}

void check_state_errors() {
  const auto policy = make_policy(small_config(), 2);
  const Batch batch = make_batch(small_config(), {10, 20});
  forward(*policy, batch, true);
  check(policy->backward(batch.weights.data()).ok(), "backward after a kept forward");
  expect_error(policy->backward(batch.weights.data()), LAP_WRONG_STATE, "forward");
  const float* parameters = policy->buffer(PolicyBuffer::kParameters);
  const std::vector<float> before(parameters, parameters + policy->parameter_count());
  policy->buffer(PolicyBuffer::kGradients)[17] = std::numeric_limits<float>::quiet_NaN();
  double norm = 0;
  expect_error(policy->step({}, &norm), LAP_WRONG_STATE, "gradient norm");
  check(same_bits(before.data(), parameters, policy->parameter_count()) && policy->step_count() == 0,
        "a refused step changes nothing");
  const int32_t flag = 1;
  policy->set_cancel(&flag);
  std::vector<float> logp(30);
  expect_error(policy->forward(batch.tokens.data(), 30, batch.cu.data(), 2, logp.data(), false),
               LAP_CANCELLED, "");
  policy->set_cancel(nullptr);
  check(policy->forward(batch.tokens.data(), 30, batch.cu.data(), 2, logp.data(), true).ok(),
        "a cancelled policy works on");
  policy->buffer(PolicyBuffer::kParameters)[batch.tokens[0] * 24] = std::numeric_limits<float>::infinity();
  SampleRequest request;
  std::vector<int32_t> tokens(20);
  std::vector<int64_t> lengths(2);
  request.tokens = batch.tokens.data();
  request.count = 30;
  request.cu_seqlens = batch.cu.data();
  request.prompts = 2;
  request.max_new_tokens = 10;
  request.out_tokens = tokens.data();
  request.out_logp = logp.data();
  request.out_lengths = lengths.data();
  expect_error(policy->sample(request), LAP_WRONG_STATE, "not finite");
}

}  // namespace

int main() {
  for (const char* implementation : {static_cast<const char*>(nullptr), "portable"}) {
    check_gradients(implementation);
    check_sampling(implementation);
  }
  check_packing();
  check_training();
  check_distribution();
  check_argument_errors();
  check_state_errors();
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}

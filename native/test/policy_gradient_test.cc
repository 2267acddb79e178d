// Exact gradients, and results that depend on neither packing nor threads.
#include "test/policy_fixture.h"

using namespace lapidary;
using namespace lapidary::test;

namespace {

// Entries whose gradient is large against the rounding of an f32 forward are compared one by one.
void check_gradients(const char* implementation, bool tied) {
  PolicyConfig config = small_config();
  config.tied_head = tied;
  const auto policy = make_policy(config, 2, implementation);
  sharpen(*policy);
  const Batch batch = make_batch(config, {19, 1, 0, 33, 2});
  forward(*policy, batch, true);
  check(policy->backward(batch.weights.data()).ok(),
        std::string(policy->implementation()) + (tied ? ", tied: backward runs" : ": backward runs"));
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
    std::snprintf(line, sizeof line, "%s%s: gradient of %s: error %.1e of %.1e", policy->implementation(),
                  tied ? ", tied" : "", parameters[t].name.c_str(), error, size);
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

}  // namespace

int main() {
  for (const char* implementation : {static_cast<const char*>(nullptr), "portable"})
    for (const bool tied : {false, true}) check_gradients(implementation, tied);
  check_packing();
  check_training();
  return finish();
}

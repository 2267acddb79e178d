// Errors of the built-in policy: codes, messages, and what they leave unchanged.
#include "test/policy_fixture.h"

using namespace lapidary;
using namespace lapidary::test;

namespace {

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
  check_argument_errors();
  check_state_errors();
  return finish();
}

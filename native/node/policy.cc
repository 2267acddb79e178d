// The built-in policy as a JS class: each method takes (arguments, cancel?) as the kernels do. No maths here.
#include "node/policy.h"

#include <cstring>
#include <memory>
#include <mutex>

#include "core/checked.h"
#include "node/environment.h"
#include "policy/policy.h"

namespace lapidary::node {
namespace {

class PolicyHandle : public Napi::ObjectWrap<PolicyHandle> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit PolicyHandle(const Napi::CallbackInfo& info);

 private:
  // What jobs hold on to. It outlives the JS object where a job still runs.
  struct Shared {
    std::unique_ptr<Policy> policy;
    std::mutex mutex;
  };

  template <class Call>
  std::function<Status(const int32_t*)> locked(const Call& call) {
    return [shared = shared_, call](const int32_t* cancel) -> Status {
      std::lock_guard<std::mutex> lock(shared->mutex);
      shared->policy->set_cancel(cancel);
      const Status status = call(*shared->policy);
      shared->policy->set_cancel(nullptr);
      return status;
    };
  }

  template <class Copy>
  std::function<Status(const int32_t*)> on_span(const Arguments& in, int64_t size, const Copy& copy);

  Napi::Value forward(const Napi::CallbackInfo& info);
  Napi::Value backward(const Napi::CallbackInfo& info);
  Napi::Value zero_gradients(const Napi::CallbackInfo& info);
  Napi::Value step(const Napi::CallbackInfo& info);
  Napi::Value step_count(const Napi::CallbackInfo& info);
  Napi::Value set_step_count(const Napi::CallbackInfo& info);
  Napi::Value sample(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value write(const Napi::CallbackInfo& info);
  Napi::Value describe(const Napi::CallbackInfo& info);

  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  ExternalMemory memory_;
  int64_t forward_count_ = 0;  // tokens of the last forward, which backward must match
};

PolicyHandle::PolicyHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<PolicyHandle>(info), memory_(info.Env()) {
  if (info.Length() < 1 || !info[0].IsObject()) throw_argument(info.Env(), "config is not an object");
  Arguments in(info[0].As<Napi::Object>(), false);
  PolicyConfig config;
  config.vocab = in.integer("vocab");
  config.width = in.integer("width");
  config.layers = in.integer("layers");
  config.heads = in.integer("heads");
  config.mlp_width = in.integer("mlpWidth");
  config.max_context = in.integer("maxContext");
  config.rope_theta = static_cast<float>(in.number("ropeTheta"));
  config.norm_epsilon = static_cast<float>(in.number("normEpsilon"));
  config.tied_head = in.boolean("tiedHead");
  const std::string implementation = in.text("implementation");
  const Status status = Policy::create(
      config, static_cast<uint64_t>(in.integer("seed")), static_cast<int>(in.integer("threads")),
      implementation.empty() ? nullptr : implementation.c_str(), &shared_->policy);
  if (!status.ok()) throw to_error(info.Env(), status);
  // Parameters, gradients and two moments; the activations come and go.
  memory_.grow(4 * shared_->policy->parameter_count() * static_cast<int64_t>(sizeof(float)));
}

Napi::Value PolicyHandle::forward(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    Arguments& in = job.arguments;
    const int64_t count = in.integer("count"), sequences = in.integer("sequences");
    const int32_t* tokens = in.ints("tokens", count);
    const int64_t* cu_seqlens = in.offsets("cuSeqlens", sequences + 1);
    if (cu_seqlens[sequences] != count) throw_argument(in.env(), "cuSeqlens does not end at the token count");
    float* logp = in.float_output("logp", count);
    const bool keep = in.boolean("keep");
    if (keep) forward_count_ = count;
    return locked(
        [=](Policy& policy) { return policy.forward(tokens, count, cu_seqlens, sequences, logp, keep); });
  });
}

Napi::Value PolicyHandle::backward(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    Arguments& in = job.arguments;
    const int64_t count = in.integer("count");
    if (count != forward_count_) {
      throw_argument(in.env(), "dlogp has " + std::to_string(count) + " elements; expected " +
                                   std::to_string(forward_count_) + ", the tokens of the kept forward");
    }
    const float* dlogp = in.floats("dlogp", count);
    return locked([=](Policy& policy) { return policy.backward(dlogp); });
  });
}

Napi::Value PolicyHandle::zero_gradients(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job&) {
    return locked([](Policy& policy) {
      policy.zero_gradients();
      return ok_status();
    });
  });
}

Napi::Value PolicyHandle::step(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    Arguments& in = job.arguments;
    AdamwOptions options;
    options.lr = static_cast<float>(in.number("lr"));
    options.beta1 = static_cast<float>(in.number("beta1"));
    options.beta2 = static_cast<float>(in.number("beta2"));
    options.epsilon = static_cast<float>(in.number("epsilon"));
    options.weight_decay = static_cast<float>(in.number("weightDecay"));
    options.max_grad_norm = static_cast<float>(in.number("maxGradNorm"));
    auto norm = std::make_shared<double>(0);
    job.result = [norm](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, *norm); };
    return locked([=](Policy& policy) { return policy.step(options, norm.get()); });
  });
}

Napi::Value PolicyHandle::step_count(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    auto count = std::make_shared<int64_t>(0);
    job.result = [count](Napi::Env env) -> Napi::Value {
      return Napi::Number::New(env, static_cast<double>(*count));
    };
    return locked([=](Policy& policy) {
      *count = policy.step_count();
      return ok_status();
    });
  });
}

Napi::Value PolicyHandle::set_step_count(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    const int64_t count = job.arguments.integer("count");
    if (count < 0) throw_argument(job.arguments.env(), "count is negative; expected the steps so far");
    return locked([=](Policy& policy) {
      policy.set_step_count(count);
      return ok_status();
    });
  });
}

Napi::Value PolicyHandle::sample(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    Arguments& in = job.arguments;
    SampleRequest request;
    request.count = in.integer("count");
    request.prompts = in.integer("sequences");
    request.tokens = in.ints("tokens", request.count);
    request.cu_seqlens = in.offsets("cuSeqlens", request.prompts + 1);
    if (request.cu_seqlens[request.prompts] != request.count) {
      throw_argument(in.env(), "cuSeqlens does not end at the token count");
    }
    request.samples_per_prompt = in.integer("samplesPerPrompt");
    request.max_new_tokens = in.integer("maxNewTokens");
    request.temperature = static_cast<float>(in.number("temperature"));
    request.eos = static_cast<int32_t>(in.integer("eosId"));
    request.seed = static_cast<uint64_t>(in.integer("seed"));
    if (in.has("promptSeeds")) request.prompt_seeds = in.offsets("promptSeeds", request.prompts);
    int64_t samples = 0, elements = 0;
    if (!multiply_checked(request.prompts, request.samples_per_prompt, &samples) ||
        !multiply_checked(samples, request.max_new_tokens, &elements)) {
      throw_argument(in.env(), "samplesPerPrompt and maxNewTokens ask for more tokens than 64 bits count");
    }
    request.out_tokens = in.int_output("ids", elements);
    request.out_logp = in.float_output("logprobs", elements);
    int32_t* lengths = in.int_output("lengths", samples);
    request.out_lengths = static_cast<int64_t*>(in.scratch(static_cast<size_t>(samples) * sizeof(int64_t)));
    return locked([=](Policy& policy) -> Status {
      LAP_TRY(policy.sample(request));
      for (int64_t i = 0; i < samples; ++i) lengths[i] = static_cast<int32_t>(request.out_lengths[i]);
      return ok_status();
    });
  });
}

PolicyBuffer buffer_of(const Arguments& in) {
  const std::string kind = in.text("kind");
  if (kind == "parameters") return PolicyBuffer::kParameters;
  if (kind == "gradients") return PolicyBuffer::kGradients;
  if (kind == "mean") return PolicyBuffer::kFirstMoments;
  if (kind == "variance") return PolicyBuffer::kSecondMoments;
  throw_argument(in.env(), "kind is \"" + kind + "\"; expected parameters, gradients, mean or variance");
}

Status find_span(Policy& policy, PolicyBuffer which, const std::string& name, int64_t size, float** data) {
  for (const TensorSpan& span : policy.spans(which)) {
    if (span.name != name) continue;
    if (span.size != size) return invalid("data has " + std::to_string(size) + " elements for " + name);
    *data = span.data;
    return ok_status();
  }
  return invalid("name is \"" + name + "\"; expected a parameter's name");
}

int64_t elements_of(const Napi::CallbackInfo& info) {
  const Napi::Value data = info[0].As<Napi::Object>().Get("data");
  if (!data.IsTypedArray()) throw_argument(info.Env(), "data is not a typed array");
  return static_cast<int64_t>(data.As<Napi::TypedArray>().ElementLength());
}

// Reads or writes one tensor of a buffer: `copy(span, bytes)` moves the data either way.
template <class Copy>
std::function<Status(const int32_t*)> PolicyHandle::on_span(const Arguments& in, int64_t size,
                                                            const Copy& copy) {
  const PolicyBuffer which = buffer_of(in);
  const std::string name = in.text("name");
  return locked([=](Policy& policy) -> Status {
    float* data = nullptr;
    LAP_TRY(find_span(policy, which, name, size, &data));
    copy(data, static_cast<size_t>(size) * sizeof(float));
    return ok_status();
  });
}

Napi::Value PolicyHandle::read(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    const int64_t size = elements_of(info);
    float* target = job.arguments.float_output("data", size);
    return on_span(job.arguments, size,
                   [=](const float* data, size_t bytes) { std::memcpy(target, data, bytes); });
  });
}

Napi::Value PolicyHandle::write(const Napi::CallbackInfo& info) {
  return dispatch(info, [&](Job& job) {
    const int64_t size = elements_of(info);
    const float* source = job.arguments.floats("data", size);
    return on_span(job.arguments, size, [=](float* data, size_t bytes) { std::memcpy(data, source, bytes); });
  });
}

Napi::Value PolicyHandle::describe(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Array list = Napi::Array::New(env);
  for (const TensorSpan& span : shared_->policy->spans(PolicyBuffer::kParameters)) {
    Napi::Array shape = Napi::Array::New(env);
    for (int64_t dimension : span.shape) shape.Set(shape.Length(), static_cast<double>(dimension));
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", span.name);
    entry.Set("shape", shape);
    list.Set(list.Length(), entry);
  }
  return list;
}

Napi::Function PolicyHandle::define(Napi::Env env) {
  return DefineClass(
      env, "Policy",
      {InstanceMethod("forward", &PolicyHandle::forward), InstanceMethod("backward", &PolicyHandle::backward),
       InstanceMethod("zeroGradients", &PolicyHandle::zero_gradients),
       InstanceMethod("step", &PolicyHandle::step), InstanceMethod("sample", &PolicyHandle::sample),
       InstanceMethod("stepCount", &PolicyHandle::step_count),
       InstanceMethod("setStepCount", &PolicyHandle::set_step_count),
       InstanceMethod("read", &PolicyHandle::read), InstanceMethod("write", &PolicyHandle::write),
       InstanceMethod("describe", &PolicyHandle::describe)});
}

}  // namespace

void export_policy(Napi::Env env, Napi::Object exports) { exports.Set("Policy", PolicyHandle::define(env)); }

}  // namespace lapidary::node

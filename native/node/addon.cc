// The environment and the exported names; no logic.
#include "cpu/features.h"
#include "cpu/implementation.h"
#include "node/environment.h"
#include "node/kernels.h"
#include "node/policy.h"

namespace lapidary::node {

Status Environment::configure(int32_t threads, const std::string& implementation) {
  lap_context_options options{};
  options.struct_size = sizeof options;
  options.threads = threads;
  options.implementation = implementation.empty() ? nullptr : implementation.c_str();
  lap_context* made = nullptr;
  const lap_status code = lap_context_create(&options, &made);
  if (code == LAP_INVALID_ARGUMENT) {
    if (threads < 0 || threads > 4096)
      return invalid("threads is " + std::to_string(threads) + "; expected 0 to 4096");
    return invalid("implementation is \"" + implementation + "\"; expected one that this CPU supports");
  }
  if (code != LAP_OK) return {code, "the thread pool could not be started"};
  std::lock_guard<std::mutex> lock(context_mutex);
  lap_context_destroy(context);
  context = made;
  return ok_status();
}

lap_context* Environment::kernels(Napi::Env env) {
  if (context == nullptr) {
    const Status status = configure(0, "");
    if (!status.ok()) throw to_error(env, status);
  }
  return context;
}

namespace {

// configure({threads, implementation}): replaces the environment's context once the running job has ended;
// queued jobs run on the new one.
Napi::Value configure(const Napi::CallbackInfo& info) {
  if (info.Length() < 1 || !info[0].IsObject()) throw_argument(info.Env(), "options is not an object");
  Arguments in(info[0].As<Napi::Object>(), false);
  const Status status = environment(info.Env()).configure(in.int32("threads"), in.text("implementation"));
  if (!status.ok()) throw to_error(info.Env(), status);
  return info.Env().Undefined();
}

// The CPU and every implementation in the addon, those it cannot run too. Starts no thread.
Napi::Value inspect(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Object out = Napi::Object::New(env);
  out.Set("napi", Napi::Number::New(env, NAPI_VERSION));
  out.Set("cpu", cpu_model());
  Napi::Object features = Napi::Object::New(env);
  for (const CpuFeature& feature : cpu_features()) {
    features.Set(feature.name, Napi::Boolean::New(env, feature.present));
  }
  out.Set("features", features);
  Napi::Object compiled = Napi::Object::New(env);
  for (const Implementation* const* entry = implementations(); *entry != nullptr; ++entry) {
    compiled.Set((*entry)->name, Napi::Boolean::New(env, (*entry)->supported()));
  }
  out.Set("implementations", compiled);
  out.Set("externalBytes", static_cast<double>(ExternalMemory::total(env)));
  return out;
}

Napi::Value describe(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  lap_context* context = environment(env).kernels(env);
  Napi::Object out = Napi::Object::New(env);
  out.Set("implementation", lap_context_implementation(context));
  out.Set("threads", lap_context_threads(context));
  Napi::Array supported = Napi::Array::New(env);
  for (const Implementation* const* entry = implementations(); *entry != nullptr; ++entry) {
    if ((*entry)->supported()) supported.Set(supported.Length(), (*entry)->name);
  }
  out.Set("implementations", supported);
  return out;
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Environment(env));
  exports.Set("configure", Napi::Function::New(env, configure));
  exports.Set("describe", Napi::Function::New(env, describe));
  exports.Set("inspect", Napi::Function::New(env, inspect));
  exports.Set("abiVersion", Napi::Number::New(env, lap_abi_version()));
  export_token_logprobs(env, exports);
  export_vocab_shard(env, exports);
  export_divergence(env, exports);
  export_linear_logprobs(env, exports);
  export_policy_loss(env, exports);
  export_policy(env, exports);
  export_cuda(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(NODE_GYP_MODULE_NAME, initialise)

}  // namespace lapidary::node

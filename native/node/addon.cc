// The environment and the exported names; no logic.
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
  Arguments in(info[0].As<Napi::Object>(), false);
  const Status status = environment(info.Env()).configure(in.int32("threads"), in.text("implementation"));
  if (!status.ok()) throw to_error(info.Env(), status);
  return info.Env().Undefined();
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
  export_token_logprobs(env, exports);
  export_linear_logprobs(env, exports);
  export_policy_loss(env, exports);
  export_policy(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(NODE_GYP_MODULE_NAME, initialise)

}  // namespace lapidary::node

#pragma once

#include "node/setup.h"

namespace lapidary::node {

// Each adds one operation's functions to the addon's exports.
void export_token_logprobs(Napi::Env env, Napi::Object exports);
void export_vocab_shard(Napi::Env env, Napi::Object exports);
void export_linear_logprobs(Napi::Env env, Napi::Object exports);
void export_divergence(Napi::Env env, Napi::Object exports);
void export_policy_loss(Napi::Env env, Napi::Object exports);
// Devices: the object, memory, streams, events and copies.
void export_cuda(Napi::Env env, Napi::Object exports);

}  // namespace lapidary::node

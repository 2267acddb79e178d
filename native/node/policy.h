#pragma once

#include "node/setup.h"

namespace lapidary::node {

// Adds the Policy class to the addon's exports.
void export_policy(Napi::Env env, Napi::Object exports);

}  // namespace lapidary::node

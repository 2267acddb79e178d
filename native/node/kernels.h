#pragma once

#include "node/setup.h"

namespace lapidary::node {

// Adds the kernel operations to the addon's exports.
void export_kernels(Napi::Env env, Napi::Object exports);

}  // namespace lapidary::node

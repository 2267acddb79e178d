#include "node/policy.h"
namespace lapidary::node {
void export_policy(Napi::Env, Napi::Object) {}
}  // namespace lapidary::node

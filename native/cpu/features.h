// What the CPU can do, for reports. Kernels are chosen by each Implementation's own `supported`.
#pragma once

#include <string>
#include <vector>

namespace lapidary {

struct CpuFeature {
  const char* name;
  bool present;  // in the CPU, and its registers saved by the operating system
};

// Those of this architecture that some kernel could use; in a fixed order.
std::vector<CpuFeature> cpu_features();
#if defined(__x86_64__)
// Compilers of the last years do not all know this one by name.
bool has_f16c();
#endif
// The processor's own brand string; "" where it has none.
std::string cpu_model();

}  // namespace lapidary

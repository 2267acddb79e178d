#include "cpu/features.h"

#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace lapidary {

#if defined(__x86_64__)

bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __builtin_cpu_supports("avx") && __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0;
}

std::vector<CpuFeature> cpu_features() {
  __builtin_cpu_init();
  return {{"avx2", __builtin_cpu_supports("avx2") != 0},
          {"fma", __builtin_cpu_supports("fma") != 0},
          {"f16c", has_f16c()},
          {"avx512f", __builtin_cpu_supports("avx512f") != 0},
          {"avx512bw", __builtin_cpu_supports("avx512bw") != 0},
          {"avx512dq", __builtin_cpu_supports("avx512dq") != 0},
          {"avx512vl", __builtin_cpu_supports("avx512vl") != 0},
          {"avx512_bf16", __builtin_cpu_supports("avx512bf16") != 0}};
}

std::string cpu_model() {
  unsigned words[12] = {};
  for (unsigned i = 0; i < 3; ++i) {
    unsigned* part = words + 4 * i;
    if (!__get_cpuid(0x80000002u + i, part, part + 1, part + 2, part + 3)) return "";
  }
  char text[sizeof words + 1] = {};
  std::memcpy(text, words, sizeof words);
  std::string model = text;
  const size_t begin = model.find_first_not_of(' ');
  const size_t end = model.find_last_not_of(' ');
  return begin == std::string::npos ? "" : model.substr(begin, end - begin + 1);
}

#else

std::vector<CpuFeature> cpu_features() {
#if defined(__aarch64__)
  return {{"neon", true}};  // part of the architecture
#else
  return {};
#endif
}

std::string cpu_model() { return ""; }

#endif

}  // namespace lapidary

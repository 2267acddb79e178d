// ceilings MEBIBYTES PASSES THREADS...: prints the machine's rates at each number of threads as JSON.
#include "ceilings.h"

#include <cstdio>
#include <cstdlib>

static void print_memory(const char* name, const MemoryRates& rates) {
  std::printf(
      "\"%s\": {\"read\": %.5g, \"write\": %.5g, \"copy\": %.5g, \"firstTouch\": %.5g, \"hugeShare\": %.3f}",
      name, rates.read, rates.write, rates.copy, rates.first_touch, rates.huge_share);
}

int main(int count, char** arguments) {
  if (count < 4) {
    std::fprintf(stderr, "usage: ceilings MEBIBYTES PASSES THREADS...\n");
    return 2;
  }
  const size_t bytes = std::strtoull(arguments[1], nullptr, 10) << 20;
  const int passes = std::atoi(arguments[2]);
  std::printf("[");
  for (int i = 3; i < count; ++i) {
    const int threads = std::atoi(arguments[i]);
    const ExpRate exp = measure_exp(threads, passes);
    std::printf("%s\n{\"threads\": %d, ", i > 3 ? "," : "", threads);
    print_memory("pages4KiB", measure_memory(Pages::k4KiB, bytes, threads, passes));
    std::printf(", ");
    print_memory("pages2MiB", measure_memory(Pages::k2MiB, bytes, threads, passes));
    std::printf(", \"exp\": %.5g, \"expError\": %.2g, \"multiplyAdd\": %.5g}", exp.per_second,
                exp.max_relative_error, measure_multiply_add(threads, passes));
  }
  std::printf("]\n");
  return 0;
}

// What the machine can do, each figure the best of several passes.
#pragma once

#include <cstddef>

enum class Pages { k4KiB, k2MiB };

// Rates in bytes per second over buffers larger than the caches. A copy counts the bytes read and written.
struct MemoryRates {
  double read, write, copy, first_touch;
  double huge_share;  // of the buffer's bytes that really lie in 2 MiB pages (Linux), else 0
};
MemoryRates measure_memory(Pages pages, size_t bytes, int threads, int passes);

struct ExpRate {
  double per_second;
  double max_relative_error;  // against exp in double, over [-87, 0]
};
// exp of f32 that lie in the L1 cache, summed: no store, no maximum, nothing but the exponential.
ExpRate measure_exp(int threads, int passes);

// Floating-point operations per second of independent f32 multiply-adds in registers.
double measure_multiply_add(int threads, int passes);

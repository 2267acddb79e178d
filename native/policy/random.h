// Counter-based random numbers: a number is a function of (seed, stream, counter), so results do not depend
// on the order in which threads or batches draw them.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace lapidary {

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014), a bijection that mixes every bit into every other.
inline uint64_t mix_bits(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

inline uint64_t random_bits(uint64_t seed, uint64_t stream, uint64_t counter) {
  return mix_bits(mix_bits(mix_bits(seed) ^ stream) ^ counter);
}

// In [0, 1), 53 bits.
inline double uniform(uint64_t seed, uint64_t stream, uint64_t counter) {
  return static_cast<double>(random_bits(seed, stream, counter) >> 11) * 0x1p-53;
}

// Standard normal, by Box and Muller.
inline double normal(uint64_t seed, uint64_t stream, uint64_t counter) {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform(seed, stream, 2 * counter)));
  return radius * std::cos(2.0 * std::numbers::pi * uniform(seed, stream, 2 * counter + 1));
}

}  // namespace lapidary

// A packed batch of sequences as forward() received it, and the checks on it.
#pragma once

#include <cstdint>

#include "cpu/carver.h"
#include "policy/config.h"

namespace lapidary {

// Names the argument, the place, what stood there and what was expected. `minimum` is the least length of a
// sequence.
Status validate_packed(const PolicyConfig& config, const int32_t* tokens, int64_t count,
                       const int64_t* cu_seqlens, int64_t sequences, int64_t minimum);

constexpr int32_t kNoTarget = -1;

struct PackedBatch {
  PackedBatch(Carver& carver, int64_t count, int64_t sequences);
  // Copies the batch; row t predicts tokens[t + 1] of its sequence, and the last row of each sequence
  // nothing.
  void fill(const int32_t* from_tokens, const int64_t* cu_seqlens);

  int64_t count, sequences;
  int64_t* starts;     // [sequences + 1]
  int32_t* tokens;     // [count]
  int32_t* positions;  // [count] within the sequence
  int32_t* targets;    // [count], or kNoTarget
};

}  // namespace lapidary

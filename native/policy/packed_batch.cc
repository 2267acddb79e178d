#include "policy/packed_batch.h"

#include <algorithm>
#include <string>

namespace lapidary {
namespace {

Status validate_tokens(const PolicyConfig& config, const int32_t* tokens, int64_t count) {
  if (count > 0 && tokens == nullptr)
    return invalid("tokens is null; expected " + std::to_string(count) + " ids");
  for (int64_t t = 0; t < count; ++t) {
    if (tokens[t] < 0 || tokens[t] >= config.vocab) {
      return invalid("tokens[" + std::to_string(t) + "] is " + std::to_string(tokens[t]) +
                     "; expected an id from 0 to " + std::to_string(config.vocab - 1));
    }
  }
  return ok_status();
}

}  // namespace

Status validate_packed(const PolicyConfig& config, const int32_t* tokens, int64_t count,
                       const int64_t* cu_seqlens, int64_t sequences, int64_t minimum) {
  if (count < 0 || count > INT32_MAX)
    return invalid("count is " + std::to_string(count) + "; expected a number from 0 to 2147483647");
  if (sequences < 0 || sequences > INT32_MAX)
    return invalid("sequences is " + std::to_string(sequences) + "; expected a number from 0 to 2147483647");
  if (cu_seqlens == nullptr) return invalid("cu_seqlens is null; expected sequences + 1 offsets");
  if (cu_seqlens[0] != 0)
    return invalid("cu_seqlens[0] is " + std::to_string(cu_seqlens[0]) + "; expected 0");
  for (int64_t i = 0; i < sequences; ++i) {
    // Compared without a subtraction, which arbitrary offsets could overflow.
    const int64_t low = cu_seqlens[i] + minimum;
    const int64_t high = std::min(count, cu_seqlens[i] + config.max_context);
    if (cu_seqlens[i + 1] < low || cu_seqlens[i + 1] > high) {
      return invalid("cu_seqlens[" + std::to_string(i + 1) + "] is " + std::to_string(cu_seqlens[i + 1]) +
                     "; expected from " + std::to_string(low) + " to " + std::to_string(high) +
                     " (a sequence of " + std::to_string(minimum) +
                     " to max_context = " + std::to_string(config.max_context) +
                     " tokens within count = " + std::to_string(count) + ")");
    }
  }
  if (cu_seqlens[sequences] != count) {
    return invalid("cu_seqlens[" + std::to_string(sequences) + "] is " +
                   std::to_string(cu_seqlens[sequences]) + "; expected count = " + std::to_string(count));
  }
  return validate_tokens(config, tokens, count);
}

PackedBatch::PackedBatch(Carver& carver, int64_t count, int64_t sequences)
    : count(count), sequences(sequences) {
  starts = carver.take<int64_t>(sequences + 1);
  tokens = carver.take<int32_t>(count);
  positions = carver.take<int32_t>(count);
  targets = carver.take<int32_t>(count);
}

void PackedBatch::fill(const int32_t* from_tokens, const int64_t* cu_seqlens) {
  std::copy_n(cu_seqlens, sequences + 1, starts);
  std::copy_n(from_tokens, count, tokens);
  for (int64_t i = 0; i < sequences; ++i) {
    for (int64_t t = starts[i]; t < starts[i + 1]; ++t) {
      positions[t] = static_cast<int32_t>(t - starts[i]);
      targets[t] = t + 1 < starts[i + 1] ? tokens[t + 1] : kNoTarget;
    }
  }
}

}  // namespace lapidary

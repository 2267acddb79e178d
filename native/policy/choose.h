// The choice of the next token from a row of logits.
#pragma once

#include <cstdint>

#include "cpu/implementation.h"

namespace lapidary {

constexpr int32_t kNoChoice = -1;  // where the logits hold NaN or have no finite maximum

// `uniform` in [0, 1) decides; at temperature 0 the largest logit does, the lowest id of equals.
// `scratch` holds `vocab` floats.
int32_t choose_token(const Implementation& cpu, const float* logits, int64_t vocab, float temperature,
                     double uniform, float* scratch);

}  // namespace lapidary

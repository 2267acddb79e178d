#include "cpu/logit_strips.h"

#include "cpu/element.h"

namespace lapidary {

void pack_tokens(ThreadPool& pool, const LinearHead& head, const int64_t* indices,
                 const TokenStrips& tokens) {
  const int64_t lanes = tokens.lanes;
  pool.parallel_for(tokens.strips, [&](int64_t s, int) {
    for (int64_t p = 0; p < head.parts(); ++p) {
      const int64_t depth = head.part_depth(p);
      float* strip = tokens.packed + (p * head.part * tokens.strips + s * depth) * lanes;
      for (int64_t lane = 0; lane < lanes; ++lane) {
        const int64_t row = s * lanes + lane;
        const int64_t base = row < tokens.rows ? indices[row] * head.hidden_stride + p * head.part : 0;
        for (int64_t k = 0; k < depth; ++k) {
          const bool real = row < tokens.rows;
          strip[k * lanes + lane] = real ? load_element(head.hidden, head.dtype, base + k) : 0.f;
        }
      }
    }
  });
}

StripLanes strip_lanes(const LinearHead& head, const int64_t* indices, int64_t rows) {
  StripLanes lanes;
  for (int64_t lane = 0; lane < head.lanes(); ++lane) {
    const bool real = lane < rows;
    const float temperature =
        real ? logit_row(nullptr, LAP_F32, head.transform, indices[lane]).temperature : 1.f;
    lanes.scale[lane] = 1.4426950408889634f / temperature;
    lanes.floor[lane] = -125.f / lanes.scale[lane];
  }
  return lanes;
}

}  // namespace lapidary

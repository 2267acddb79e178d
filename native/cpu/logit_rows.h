// Rows of the logits of a call's arguments, for the token log-probs of whole rows and of vocabulary shards.
#pragma once

#include "cpu/element.h"
#include "cpu/implementation.h"
#include "objective/logit_math.h"

namespace lapidary {

template <class Args>
LogitRow row_of(const Args& args, int64_t t) {
  const char* base = static_cast<const char*>(args.logits);
  return logit_row(base + t * args.row_stride * element_size(args.dtype), args.dtype, args.transform, t);
}

inline LogitStats stats_without(const Implementation& cpu, const LogitRow& row, int64_t vocab, int64_t target,
                                bool want_entropy) {
  LogitStats others = cpu.logit_stats(row, 0, target, want_entropy);
  merge(&others, cpu.logit_stats(row, target + 1, vocab, want_entropy));
  return others;
}

inline double scaled_target(const LogitRow& row, int64_t target) {
  return capped(row, load_element(row.data, row.dtype, target)) / row.temperature;
}

}  // namespace lapidary

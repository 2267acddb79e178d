// logits [T,V] -> logp, lse, entropy [T], and back. Bytes are the floor of both: the forward reads each logit
// from memory once (the second pass over a block of 1024 hits the cache), the backward reads and writes each
// once.
#include "cpu/token_logprobs.h"

#include <algorithm>
#include <cstring>

#include "cpu/element.h"
#include "cpu/logit_math.h"

namespace lapidary {
Status token_logprobs(ThreadPool& pool, const Implementation& cpu, const lap_token_logprobs_args& args) {
  const float inv_t = 1.f / args.transform.temperature;
  const bool want_entropy = args.entropy != nullptr;
  pool.parallel_for(args.rows, [&](int64_t t, int) {
    const int32_t target = args.targets[t];
    RowResult result{0.f, 0.f, 0.f};
    if (target != args.ignore_index) {
      const void* row =
          static_cast<const char*>(args.logits) + t * args.row_stride * element_size(args.dtype);
      LogitStats others = cpu.logit_stats(row, args.dtype, 0, target, inv_t, want_entropy);
      merge(&others, cpu.logit_stats(row, args.dtype, target + 1, args.vocab, inv_t, want_entropy));
      result = finish_row(others, load_element(row, args.dtype, target) * inv_t);
    }
    args.logp[t] = result.logp;
    args.lse[t] = result.lse;
    if (want_entropy) args.entropy[t] = result.entropy;
  });
  return pool.is_cancelled() ? cancelled() : ok_status();
}

Status token_logprobs_backward(ThreadPool& pool, const Implementation& cpu,
                               const lap_token_logprobs_backward_args& args) {
  const float inv_t = 1.f / args.transform.temperature;
  const int64_t size = element_size(args.dtype);
  pool.parallel_for(args.rows, [&](int64_t t, int) {
    const int32_t target = args.targets[t];
    const void* row = static_cast<const char*>(args.logits) + t * args.row_stride * size;
    void* out = static_cast<char*>(args.dlogits) + t * args.dlogits_stride * size;
    const float g = args.dlogp[t];
    if (target == args.ignore_index || g == 0.f) {
      std::memset(out, 0, static_cast<size_t>(args.vocab * size));
      return;
    }
    // Read before the row is overwritten: dlogits may be the logits' own buffer.
    const SplitLse lse = split_lse(args.lse[t], args.logp[t], load_element(row, args.dtype, target) * inv_t);
    cpu.softmax_gradient(row, args.dtype, args.vocab, inv_t, lse.high, lse.low, -g * inv_t, out);
    store_element(out, args.dtype, target, g * inv_t * one_minus_p(args.logp[t]));
  });
  return pool.is_cancelled() ? cancelled() : ok_status();
}

}  // namespace lapidary

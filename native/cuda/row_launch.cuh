// One block per row: how many threads, how many blocks, and which instance of a kernel.
#pragma once

#include "cuda/launch.h"
#include "lapidary.h"

namespace lapidary::cuda {

constexpr int kMostThreads = 512;

// By the length of a row alone: what a row gives must not depend on what else is in the batch.
inline unsigned row_threads(int64_t vocab) {
  if (vocab <= 1024) return 32;
  if (vocab <= 8192) return 128;
  return vocab <= 32768 ? 256 : kMostThreads;
}
// Blocks take further rows in turn where the grid would be too large.
inline unsigned row_blocks(int64_t rows) {
  constexpr int64_t kMostBlocks = 0x7fffffff;
  return static_cast<unsigned>(rows < kMostBlocks ? rows : kMostBlocks);
}

// Calls `use` with the element type, and whether there is a softcap, as constants.
template <lap_dtype kType>
struct OfType {
  static constexpr lap_dtype type = kType;
};
template <bool kValue>
struct Flag {
  static constexpr bool value = kValue;
};
template <class Use>
cudaError_t with_flag(bool flag, Use use) {
  return flag ? use(Flag<true>{}) : use(Flag<false>{});
}
template <class Use>
cudaError_t with_type(lap_dtype dtype, Use use) {
  switch (dtype) {
    case LAP_F32:
      return use(OfType<LAP_F32>{});
    case LAP_BF16:
      return use(OfType<LAP_BF16>{});
    default:
      return use(OfType<LAP_F16>{});
  }
}

// The three that the kernels of token log-probs depend on: element type, softcap, and one flag more.
template <class Args, class Use>
cudaError_t with_row_instance(const Args& args, bool flag, Use use) {
  return with_type(args.dtype, [&](auto type) {
    return with_flag(args.transform.softcap != 0, [&](auto is_capped) {
      return with_flag(flag, [&](auto chosen) { return use(type, is_capped, chosen); });
    });
  });
}

}  // namespace lapidary::cuda

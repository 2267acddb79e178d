// What the kernels of the policy loss share: tiles, the workspace, and who launches what.
//
// A sequence is cut into tiles of kTileTokens from its own first token on, so that its sums depend on nothing
// but itself. A warp does a tile, and lane l of it the tokens l, l + 32, ...: 32 neighbours at once whatever
// the alignment of the sequence, and always in the same lane. Which sequence a warp is at follows from the
// offsets alone: the tiles of sequence i have the slots from floor(offset_i / kTileTokens) + i on, which is
// room enough, and leaves at most one slot a sequence unused.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include "lapidary.h"
#include "objective/policy_batch.h"

namespace lapidary::cuda {

constexpr int kTileTokens = 512;
constexpr int kLossThreads = 128, kLossWarps = kLossThreads / 32;

// Sums over a sequence, in the order of lap_sequence_stats.
enum Column { kKept, kLogRatio, kRatio, kImportance, kBehaviour, kColumns };

// What the contents of the arguments are, one word a block that looked.
enum Verdict : unsigned { kBadLayout = 1, kBadContents = 2 };
constexpr unsigned kMostVerdicts = 512;

// A node of a sequence's list of pairs: twice the pair, plus 1 where the sequence is the rejected one.
using PairNode = unsigned long long;
constexpr PairNode kNoNode = ~PairNode{0};

// Diagnostics are merged in groups of blocks, then over the groups.
constexpr unsigned kMostBlocks = 4096, kGroupBlocks = 64;

struct LossWork {
  int64_t slots;
  unsigned verdict_count, blocks, groups;
  // From 0 to the count of tokens that are not padding, as packed; NULL: i * row_stride.
  const int64_t* offsets;
  int64_t* scanned;  // the same where the layout is rows with lengths, else NULL
  unsigned* verdicts;
  unsigned* arrived;        // [B]: tiles of a sequence that are done
  unsigned* merged;         // [groups + 1]: blocks of a group, then groups
  double* partials;         // [kColumns, slots]
  double* shared;           // [B]: sum of to_sequence
  Pull* pulls;              // [B], of given pairs
  PairNode *heads, *nexts;  // [B], [2 P]
  double* records;          // [blocks, LAP_DIAG_COUNT]
  double* group_records;    // [groups, LAP_DIAG_COUNT]
};

// Null where nothing is given: then only `bytes` means anything.
LossWork loss_work(const lap_policy_loss_args& args, void* workspace, size_t* bytes);

// Looks at the contents and clears the counters; `maps`: what the map phase alone reads is looked at too.
cudaError_t launch_prepare(const lap_policy_loss_args& args, const LossWork& work, bool maps,
                           cudaStream_t stream);
cudaError_t launch_reduce(const lap_policy_loss_args& args, const LossWork& work, cudaStream_t stream);
// The sums of to_sequence, out of the stats.
cudaError_t launch_shared(const lap_policy_loss_args& args, const LossWork& work, cudaStream_t stream);
// What given pairs add up to for each sequence, out of the stats.
cudaError_t launch_pairs(const lap_policy_loss_args& args, const LossWork& work, cudaStream_t stream);
cudaError_t launch_map(const lap_policy_loss_args& args, const LossWork& work, cudaStream_t stream);

}  // namespace lapidary::cuda

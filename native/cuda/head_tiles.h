// Which tile of rows x vocabulary a block computes when, and which stage of its ring of operands a step of
// the depth uses. Plain arithmetic, for host and device.
#pragma once

#include "cuda/head_block.h"
#include "cuda/wgmma_layout.h"

namespace lapidary::cuda {

constexpr int kConsumers = 2;                              // warpgroups that multiply; one more copies
constexpr int kHeadTileRows = kConsumers * kFragmentRows;  // 128
constexpr int kHeadTileColumns = kPieceColumns;            // 256: a tile's columns are one piece of every row
constexpr int kHeadTileDepth = kRowBytes / 2;              // 64 elements of 16 bits
constexpr int kStages = 4;
constexpr uint32_t kHiddenBytes = kHeadTileRows * kRowBytes, kWeightBytes = kHeadTileColumns * kRowBytes;
constexpr uint32_t kStageBytes = kHiddenBytes + kWeightBytes;
static_assert(kHeadTileColumns == kFragmentColumns);

// Rows are taken in groups, of which all rows meet one piece of the vocabulary before the next piece comes:
// hidden of a group (7 KB x kGroupRows x H / 3584) stays in the L2 cache while the weight streams through it
// once per group, and the blocks that run at one time share a few pieces.
constexpr int kGroupRows = 2048;

struct HeadTile {
  int64_t row, column;  // the first ones
};

// A team is the blocks that run in one cluster: they take neighbouring tiles of rows and the same columns.
struct HeadTiles {
  int64_t row_teams, pieces, group;

  static constexpr HeadTiles of(int64_t rows, int64_t vocab, int team) {
    const int64_t team_rows = int64_t{kHeadTileRows} * team;
    return {(rows + team_rows - 1) / team_rows, (vocab + kHeadTileColumns - 1) / kHeadTileColumns,
            kGroupRows / team_rows};
  }
  constexpr int64_t count() const { return row_teams * pieces; }
  // Tile `index` of block `rank` of a team. It may begin past the last row.
  constexpr HeadTile at(int64_t index, int team, int rank) const {
    const int64_t group_tiles = group * pieces, first = index / group_tiles * group;
    const int64_t in_group = row_teams - first < group ? row_teams - first : group;
    const int64_t rest = index % group_tiles;
    return {((first + rest % in_group) * team + rank) * kHeadTileRows, rest / in_group * kHeadTileColumns};
  }
};

// A place in the ring, and how often the ring has been gone round, modulo 2: the parity of the phase of the
// stage's barriers.
struct RingStep {
  uint32_t stage = 0, parity = 0;
  constexpr void advance() {
    if (++stage < kStages) return;
    stage = 0;
    parity ^= 1;
  }
};

}  // namespace lapidary::cuda

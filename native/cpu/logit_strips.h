// How the linear log-prob operations cut [T,V]: blocks of vocabulary entries outside, strips of tokens inside
// (generic/vocab_strips.inc). Forward and backward use the same cuts, so that the backward computes the very
// logits of the forward. An element's sum runs over the width part by part, wherever it lies.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/thread_pool.h"
#include "cpu/carver.h"
#include "cpu/implementation.h"
#include "objective/logit_math.h"

namespace lapidary {

inline int64_t divide_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit; }
inline int64_t round_to(int64_t value, int64_t unit) { return divide_up(value, unit) * unit; }

// The operands of either operation.
struct LinearHead {
  template <class Args>
  LinearHead(const Implementation& implementation, const Args& args)
      : cpu(implementation),
        hidden(args.hidden),
        weight(args.weight),
        dtype(args.dtype),
        vocab(args.vocab),
        width(args.width),
        hidden_stride(args.hidden_stride),
        weight_stride(args.weight_stride),
        transform(args.transform),
        part(std::min(kPanelDepth,
                      round_to(divide_up(width, divide_up(width, kPanelDepth)), cpu.tile_rows))) {}

  int64_t lanes() const { return cpu.tile_columns; }
  // Vocabulary entries that are worked on together: their panel stays in the second-level cache.
  int64_t block() const { return 32 * cpu.tile_rows; }
  int64_t blocks() const { return divide_up(vocab, block()); }
  int64_t block_rows(int64_t index) const { return std::min(block(), vocab - index * block()); }
  int64_t parts() const { return divide_up(width, part); }
  int64_t part_depth(int64_t p) const { return std::min(part, width - p * part); }
  int64_t panel_size() const { return block() * kPanelStride; }
  // Floats of a strip over the whole vocabulary.
  int64_t strip_size() const { return round_to(vocab, cpu.tile_rows) * lanes(); }
  // Rows that go through together: their packed form is at most 16 MiB.
  int64_t chunk_rows(int64_t rows) const {
    const int64_t fitting = (int64_t{16} << 20) / (4 * width) / lanes() * lanes();
    return std::min(rows, std::clamp<int64_t>(fitting, lanes(), 2048));
  }
  void copy_panel(int64_t block_index, int64_t p, float* panel) const {
    cpu.copy_panel(weight, dtype, block_index * block() * weight_stride + p * part, weight_stride,
                   block_rows(block_index), part_depth(p), panel);
  }
  // What strip `s` of `strips` fetches of a panel; nothing where there is no such block.
  PanelAhead ahead(int64_t block_index, int64_t p, int64_t s, int64_t strips) const {
    if (block_index >= blocks()) return {};
    const int64_t size = dtype == LAP_F32 ? 4 : 2, lines = divide_up(part_depth(p) * size, kLine);
    const int64_t first = (block_index * block() * weight_stride + p * part) * size;
    return {static_cast<const char*>(weight) + first, weight_stride * size, block_rows(block_index),
            lines * s / strips * kLine, lines * (s + 1) / strips * kLine};
  }

  static constexpr int64_t kLine = 64;
  const Implementation& cpu;
  const void *hidden, *weight;
  lap_dtype dtype;
  int64_t vocab, width, hidden_stride, weight_stride;
  lap_logit_transform transform;
  int64_t part;  // of the width that a panel holds; a multiple of tile_rows, or all of a small width
};

// `rows` rows of hidden, by index, as strips of tokens: the parts of the width one after the other, in each
// the strips [part depth, lanes]; lanes past the last row are 0.
struct TokenStrips {
  TokenStrips(const LinearHead& head, float* memory, int64_t row_count)
      : packed(memory), rows(row_count), strips(divide_up(row_count, head.lanes())), lanes(head.lanes()) {}
  static int64_t size(const LinearHead& head, int64_t rows) {
    return round_to(rows, head.lanes()) * head.width;
  }
  const float* at(const LinearHead& head, int64_t strip, int64_t p) const {
    return packed + (p * head.part * strips + strip * head.part_depth(p)) * lanes;
  }

  float* packed;
  int64_t rows, strips, lanes;
};

void pack_tokens(ThreadPool& pool, const LinearHead& head, const int64_t* indices, const TokenStrips& tokens);

// How the lanes of the strip that begins at indices[0] scale their logits; lanes past `rows` as T = 1.
StripLanes strip_lanes(const LinearHead& head, const int64_t* indices, int64_t rows);

}  // namespace lapidary

// One transformer layer over a block of rows, apart from attention. Training and sampling call the same
// functions; a row's result does not depend on the rows of its block.
#pragma once

#include <cstdint>
#include <vector>

#include "core/thread_pool.h"
#include "cpu/carver.h"
#include "cpu/gemm.h"
#include "cpu/implementation.h"
#include "policy/attention.h"
#include "policy/config.h"
#include "policy/parameters.h"
#include "policy/rotary.h"

namespace lapidary {

// What every part of the policy reads.
struct Network {
  PolicyConfig config;
  const Implementation& cpu;
  const ParameterLayout& layout;
  const RotaryTable& rotary;
  HeadShape shape;
  const float* parameters;
};

// The activations of one layer for T rows, dense. Gradients of qkv and gate_up overwrite them in the
// backward.
struct LayerRows {
  LayerRows(Carver& carver, const PolicyConfig& config, int64_t rows);
  float* input;              // [T, D] residual stream
  float *norm1, *inv_rms1;   // [T, D], [T]
  float* qkv;                // [T, 3 D], q and k rotated
  float* attended;           // [T, D]
  float *maxima, *inverses;  // [heads, T], of the scores
  float* middle;             // [T, D] residual stream after attention
  float *norm2, *inv_rms2;   // [T, D], [T]
  float* gate_up;            // [T, 2 F]
  float* hidden;             // [T, F]
};

// The projections of a layer as the matrix product wants its right-hand side.
struct PackedLayer {
  float *qkv, *o, *gate_up, *down;
};
enum class Direction { kForward, kBackward };  // times the transpose of the weight, or the weight
std::vector<PackedLayer> carve_packed(Carver& carver, const Network& net, Direction direction);
void pack_layers(ThreadPool& pool, const Network& net, Direction direction,
                 const std::vector<PackedLayer>& packed);

// c[rows of the block, columns] (+)= a * packed; a and c dense, given from their first row.
struct BlockProduct {
  const float* a;
  int64_t depth;
  const float* packed;
  int64_t columns;
  float* c;
  bool accumulate;
};
inline void multiply_block(const Implementation& cpu, const BlockProduct& p, int64_t row, int64_t rows,
                           float* scratch) {
  gemm_row_block(cpu, matrix(p.a, p.depth), row, rows, p.columns, p.depth, p.packed, p.accumulate,
                 p.c + row * p.columns, p.columns, scratch);
}

// Rows [begin, begin + count), count <= kGemmRows; `scratch` holds row_scratch(cpu) floats.
struct RowBlock {
  int64_t begin, count;
  float* scratch;
};
// input -> norm1, qkv. positions [T] are those within their sequences.
void before_attention(const Network& net, int64_t layer, const PackedLayer& packed, const LayerRows& at,
                      const int32_t* positions, const RowBlock& block);
// input, attended -> middle, norm2, gate_up, hidden, output [T, D], which may be `input`.
void after_attention(const Network& net, int64_t layer, const PackedLayer& packed, const LayerRows& at,
                     float* output, const RowBlock& block);
// tokens -> rows of the embedding.
void embed_rows(const Network& net, const int32_t* tokens, int64_t begin, int64_t count, float* out);

}  // namespace lapidary

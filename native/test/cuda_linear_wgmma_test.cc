// The head's statistics by tensor instructions against sums in double written here; on the host through the
// twins of simt/hopper.h. The layouts that the instructions rely on are also looked at by themselves.
#include <algorithm>

#include "cuda/head_tiles.h"
#include "cuda/linear_wgmma.h"
#include "cuda_fixture.h"

using namespace lapidary;
using namespace lapidary::cuda;

namespace {

using namespace cuda_test;

struct Case {
  lap_dtype dtype = LAP_BF16;
  int64_t rows = 5, vocab = 300, width = 64, active = -1;  // active: all
  int64_t hidden_padding = 0, weight_padding = 0;
  float softcap = 0, temperature = 1, spread = 1;
  bool per_row = false, weighted = true, specials = false;

  std::string name() const {
    return std::string(name_of(dtype)) + " T " + std::to_string(rows) + " V " + std::to_string(vocab) +
           " H " + std::to_string(width) + " softcap " + std::to_string(softcap) +
           (specials ? " specials" : "");
  }
};

int64_t up_to_8(int64_t width) { return (width + 7) / 8 * 8; }

struct Problem {
  Case given;
  int64_t hidden_stride, weight_stride, active;
  Matrix hidden, weight;
  std::vector<int32_t> targets;
  std::vector<float> temperatures;

  Problem(const Case& c, unsigned seed)
      : given(c),
        hidden_stride(up_to_8(c.width) + c.hidden_padding),
        weight_stride(up_to_8(c.width) + c.weight_padding),
        active(c.active < 0 ? c.rows : c.active),
        hidden(c.dtype, static_cast<size_t>(c.rows * hidden_stride)),
        weight(c.dtype, static_cast<size_t>(c.vocab * weight_stride)) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    // Beyond the width lies what must never be read.
    for (size_t i = 0; i < hidden.size(); ++i)
      hidden.set(i, static_cast<int64_t>(i) % hidden_stride < c.width ? normal(random) : NAN);
    const float scale = c.spread / std::sqrt(static_cast<float>(c.width));
    for (size_t i = 0; i < weight.size(); ++i)
      weight.set(i, static_cast<int64_t>(i) % weight_stride < c.width ? scale * normal(random) : NAN);
    for (int64_t t = 0; t < c.rows; ++t) {
      targets.push_back(static_cast<int32_t>(random() % static_cast<unsigned>(c.vocab)));
      temperatures.push_back(c.per_row ? 0.5f + 0.125f * static_cast<float>(t % 9) : c.temperature);
    }
    if (c.rows > 3) targets[3] = -100;
    if (c.rows > 4) targets[4] = static_cast<int32_t>(c.vocab);
    if (c.specials) add_specials();
  }
  void add_specials() {
    for (int64_t k = 0; k < given.width; ++k)
      hidden.set(static_cast<size_t>(5 * hidden_stride + k), k == 0 ? NAN : 1.f);
    // Rows 20, 28, 36 and 46 of the weight are one, and what row 6 points to: a tie, of one lane and of two.
    for (int64_t k = 0; k < given.width; ++k) {
      const float x = weight.get(static_cast<size_t>(20 * weight_stride + k));
      for (const int64_t v : {28, 36, 46}) weight.set(static_cast<size_t>(v * weight_stride + k), x);
      hidden.set(static_cast<size_t>(6 * hidden_stride + k), 20 * x);
    }
    targets[6] = 20;
    // One entry that is not there: -inf for rows whose first coordinate is 1, +inf where it is -1, else
    // apart.
    for (int64_t k = 0; k < given.width; ++k)
      weight.set(static_cast<size_t>(7 * weight_stride + k), k == 0 ? -INFINITY : 0.f);
    for (int64_t t = 0; t < given.rows; ++t)
      if (t != 5) hidden.set(static_cast<size_t>(t * hidden_stride), t == 8 ? -1.f : 1.f);
    targets[9] = 7;
  }
  double logit(int64_t t, int64_t v) const {
    double sum = 0;
    for (int64_t k = 0; k < given.width; ++k)
      sum += static_cast<double>(hidden.get(static_cast<size_t>(t * hidden_stride + k))) *
             weight.get(static_cast<size_t>(v * weight_stride + k));
    return sum;
  }
  double capped(int64_t t, int64_t v) const {
    const double x = logit(t, v);
    return given.softcap == 0 || x == -HUGE_VAL ? x : given.softcap * std::tanh(x / given.softcap);
  }
};

struct Answer {
  std::vector<HeadPiece> pieces;
  std::vector<float> target_logits, references;
  Matrix kept;
  int64_t kept_stride;
};

HeadBlock block_of(const Problem& p, HeadKernel kernel) {
  HeadBlock block{};
  block.hidden_stride = p.hidden_stride;
  block.weight_stride = p.weight_stride;
  block.dtype = p.given.dtype;
  block.rows = p.given.rows;
  block.vocab = p.given.vocab;
  block.width = p.given.width;
  block.softcap = p.given.softcap;
  block.weighted = p.given.weighted;
  block.kernel = kernel;
  return block;
}

// What the row's entries are kept relative to where the piece's largest is not too far above; f16 has none.
float row_reference(const Problem& p, int64_t t) {
  if (p.given.dtype == LAP_F16 || t % 4 == 0) return NAN;
  return t % 4 == 1 ? -30.f * p.temperatures[static_cast<size_t>(t)] : 0.5f;
}

constexpr float kUntouched = -77.f;

Answer run(lap_cuda_context* ctx, const Problem& p, HeadKernel kernel, int64_t first = 0) {
  OnDevice<uint8_t> hidden(ctx, p.hidden.bytes), weight(ctx, p.weight.bytes);
  OnDevice<int64_t> active(ctx, {p.active + first});
  OnDevice<int32_t> targets(ctx, p.targets);
  OnDevice<float> temperatures(ctx, p.temperatures);
  const size_t rows = static_cast<size_t>(p.given.rows);
  OnDevice<HeadPiece> pieces(ctx,
                             std::vector<HeadPiece>(rows * static_cast<size_t>(head_pieces(p.given.vocab)),
                                                    HeadPiece{kUntouched, 0, 0, -9}));
  OnDevice<float> own(ctx, std::vector<float>(rows, kUntouched));
  const int64_t kept_stride = (p.given.vocab + 63) / 64 * 64;
  Matrix kept(p.given.dtype, rows * static_cast<size_t>(kept_stride));
  for (size_t i = 0; i < kept.size(); ++i) kept.set(i, kUntouched);
  OnDevice<uint8_t> entries(ctx, kept.bytes);
  OnDevice<float> references(ctx, std::vector<float>(rows * static_cast<size_t>(head_pieces(p.given.vocab))));
  std::vector<float> row_references;
  for (int64_t t = 0; t < p.given.rows; ++t) row_references.push_back(row_reference(p, t));
  OnDevice<float> of_rows(ctx, row_references);
  HeadBlock block = block_of(p, kernel);
  if (p.given.softcap == 0) {
    block.kept = entries.data();
    block.kept_stride = kept_stride;
    block.references = references.data();
    block.row_references = of_rows.data();
  }
  block.hidden = hidden.data();
  block.weight = weight.data();
  block.active = active.data();
  block.first = first;
  block.targets = targets.data();
  block.temperatures = temperatures.data();
  block.pieces = pieces.data();
  block.target_logits = own.data();
  check(wgmma_head_fits(block), p.given.name() + ": fits");
  check(wgmma_head(block, nullptr) == cudaSuccess, p.given.name() + ": launched");
  check(lap_cuda_synchronize(ctx) == LAP_OK, p.given.name() + ": ends well");
  kept.bytes = entries.host();
  return {pieces.host(), own.host(), references.host(), kept, kept_stride};
}

struct Expected {
  double max = -HUGE_VAL, second = -HUGE_VAL, sum = 0, weighted = 0;
  int64_t top = -1;
};

Expected expected_piece(const Problem& p, int64_t t, int64_t piece) {
  Expected out;
  const int64_t begin = piece * kPieceColumns, end = std::min(p.given.vocab, begin + kPieceColumns);
  std::vector<double> values;
  for (int64_t v = begin; v < end; ++v) {
    if (v == p.targets[static_cast<size_t>(t)]) continue;
    const double c = p.capped(t, v);
    values.push_back(c);
    if (c > out.max) {
      out.second = out.max;
      out.max = c;
      out.top = v;
    } else if (c > out.second) {
      out.second = c;
    }
  }
  if (out.top < 0 && !std::any_of(values.begin(), values.end(), [](double c) { return std::isnan(c); }))
    return out;
  for (const double c : values) {
    const double gap = c - out.max, e = std::exp(gap / p.temperatures[static_cast<size_t>(t)]);
    out.sum += e;
    if (!(e == 0)) out.weighted += e * gap;
  }
  return out;
}

// Entries are relative to that or the piece's largest, 2^14 times that in f16; past V they are 0.
void check_kept(const Problem& p, const Answer& got, int64_t t) {
  const int64_t pieces = head_pieces(p.given.vocab), target = p.targets[static_cast<size_t>(t)];
  const bool is_f16 = p.given.dtype == LAP_F16;
  const double noise = (is_f16 ? 1. / 2048 : 1. / 256) + 2e-6 * (1 + p.given.spread) * (1 + p.given.spread) /
                                                             p.temperatures[static_cast<size_t>(t)];
  bool right = true, same = true;
  for (int64_t v = 0; v < got.kept_stride; ++v) {
    const HeadPiece& piece = got.pieces[static_cast<size_t>(t * pieces + v / kPieceColumns)];
    const float kept = got.kept.get(static_cast<size_t>(t * got.kept_stride + v));
    const bool none = v == target || v >= p.given.vocab;
    const float of_row = row_reference(p, t);
    const double above = (piece.max - of_row) / p.temperatures[static_cast<size_t>(t)] * 1.4426950408889634;
    const float reference = above <= 40 ? of_row : piece.max;
    const double gap = none ? 0 : p.logit(t, v) - (reference == -HUGE_VAL ? 0 : reference);
    const double share = none ? 0 : std::exp(gap / p.temperatures[static_cast<size_t>(t)]);
    const double expected = is_f16 ? 16384 * share : share;
    const double error = std::fabs(kept - expected), bound = noise * expected + (is_f16 ? 6e-8 : 1e-38);
    right = right && (std::isnan(expected) ? std::isnan(kept) : error <= bound);
    same = same && std::memcmp(&got.references[static_cast<size_t>(t * pieces + v / kPieceColumns)],
                               &reference, 4) == 0;
  }
  check(right, p.given.name() + ": row " + std::to_string(t) + " kept");
  check(same, p.given.name() + ": row " + std::to_string(t) + " references");
}

void check_row(const Problem& p, const Answer& got, int64_t t) {
  const int64_t pieces = head_pieces(p.given.vocab);
  const std::string where = p.given.name() + ": row " + std::to_string(t);
  for (int64_t i = 0; i < pieces; ++i) {
    const HeadPiece& piece = got.pieces[static_cast<size_t>(t * pieces + i)];
    const Expected expected = expected_piece(p, t, i);
    const std::string at = where + " piece " + std::to_string(i);
    // Sums are relative to the kernel's maximum, whose own error is that of a sum of products in f32.
    const double scale = 1 / p.temperatures[static_cast<size_t>(t)],
                 noise = 2e-6 * (1 + p.given.spread) * (1 + scale);
    check(is_near(piece.max, expected.max, noise), at + " max " + std::to_string(piece.max));
    check(is_near(piece.sum, expected.sum, 5 * noise),
          at + " sum " + std::to_string(piece.sum) + " for " + std::to_string(expected.sum));
    if (p.given.weighted)
      check(is_near(piece.weighted, expected.weighted, 20 * noise),
            at + " weighted " + std::to_string(piece.weighted) + " for " + std::to_string(expected.weighted));
    if (std::isnan(expected.sum)) continue;
    // Two that are closer than the noise may be taken for each other; exact ties go to the lower index.
    const bool is_clear = expected.max - expected.second > 1e-4 || expected.max == expected.second;
    if (is_clear) check(piece.top == expected.top, at + " top " + std::to_string(piece.top));
  }
  const int64_t target = p.targets[static_cast<size_t>(t)];
  const float own = got.target_logits[static_cast<size_t>(t)];
  if (target >= 0 && target < p.given.vocab)
    check(is_near(own, p.logit(t, target), 2e-6 * (1 + p.given.spread)),
          where + " target's logit " + std::to_string(own));
  else
    check(own == kUntouched, where + " has no target");
}

bool same_bits(const HeadPiece* a, const HeadPiece* b, int64_t count) {
  return std::memcmp(a, b, static_cast<size_t>(count) * sizeof *a) == 0;
}

void test_case(lap_cuda_context* ctx, const Case& given, unsigned seed) {
  const Problem p(given, seed);
  const Answer got = run(ctx, p, HeadKernel::kWgmma), in_teams = run(ctx, p, HeadKernel::kWgmmaTeams);
  for (int64_t t = 0; t < p.active; ++t) check_row(p, got, t);
  if (given.softcap == 0)
    for (int64_t t = 0; t < p.active; ++t) check_kept(p, got, t);
  const int64_t pieces = head_pieces(given.vocab);
  bool untouched = true;
  for (int64_t t = p.active; t < given.rows; ++t) {
    untouched = untouched && got.target_logits[static_cast<size_t>(t)] == kUntouched;
    for (int64_t v = 0; v < got.kept_stride; ++v)
      untouched = untouched && got.kept.get(static_cast<size_t>(t * got.kept_stride + v)) == kUntouched;
    for (int64_t i = 0; i < pieces; ++i)
      untouched = untouched && got.pieces[static_cast<size_t>(t * pieces + i)].max == kUntouched;
  }
  check(untouched, given.name() + ": rows that do not count are left");
  check(same_bits(got.pieces.data(), in_teams.pieces.data(), given.rows * pieces) &&
            std::memcmp(got.target_logits.data(), in_teams.target_logits.data(),
                        got.target_logits.size() * 4) == 0 &&
            got.kept.bytes == in_teams.kept.bytes && got.references.size() == in_teams.references.size(),
        given.name() + ": clusters give the same bits");
}

void test_invariance(lap_cuda_context* ctx) {
  Case given;
  given.rows = 300;
  given.vocab = 513;
  given.width = 72;
  given.per_row = true;
  const Problem many(given, 21);
  const Answer first = run(ctx, many, HeadKernel::kWgmma), again = run(ctx, many, HeadKernel::kWgmma),
               later = run(ctx, many, HeadKernel::kWgmma, 1000);
  const int64_t pieces = head_pieces(given.vocab);
  check(same_bits(first.pieces.data(), again.pieces.data(), 300 * pieces),
        "the same call gives the same bits");
  check(same_bits(first.pieces.data(), later.pieces.data(), 300 * pieces),
        "and so does a later block of a call");
  for (const int64_t t : {0, 9, 131, 299}) {
    Case alone = given;
    alone.rows = 1;
    Problem one(alone, 21);
    const auto copy = [&](const Matrix& from, Matrix* to, int64_t row, int64_t stride, int64_t at) {
      const size_t bytes = static_cast<size_t>(stride) * 2;
      std::memcpy(to->bytes.data() + static_cast<size_t>(at) * bytes,
                  from.bytes.data() + static_cast<size_t>(row) * bytes, bytes);
    };
    copy(many.hidden, &one.hidden, t, many.hidden_stride, 0);
    one.weight = many.weight;
    one.targets[0] = many.targets[static_cast<size_t>(t)];
    one.temperatures[0] = many.temperatures[static_cast<size_t>(t)];
    const Answer got = run(ctx, one, HeadKernel::kWgmma);
    check(same_bits(got.pieces.data(), first.pieces.data() + t * pieces, pieces),
          "row " + std::to_string(t) + " alone gives the bits it gives among others");
    check(got.target_logits[0] == first.target_logits[static_cast<size_t>(t)], "and its target's logit");
  }
}

// Every tile once, whatever the team, and rows of a group before the next piece.
void test_tiles() {
  for (const int team : {1, 2}) {
    for (const int64_t rows : {1, 128, 129, 2048, 2049, 5000}) {
      for (const int64_t vocab : {1, 256, 257, 5000}) {
        const HeadTiles tiles = HeadTiles::of(rows, vocab, team);
        const int64_t row_tiles = tiles.row_teams * team, pieces = head_pieces(vocab);
        std::vector<int> seen(static_cast<size_t>(row_tiles * pieces));
        bool inside = true;
        for (int64_t i = 0; i < tiles.count(); ++i) {
          for (int rank = 0; rank < team; ++rank) {
            const HeadTile tile = tiles.at(i, team, rank);
            const int64_t r = tile.row / kHeadTileRows, c = tile.column / kHeadTileColumns;
            inside =
                inside && tile.row % kHeadTileRows == 0 && r < row_tiles && c < pieces && tile.column < vocab;
            if (inside) ++seen[static_cast<size_t>(r * pieces + c)];
          }
        }
        check(inside && std::all_of(seen.begin(), seen.end(), [](int n) { return n == 1; }) &&
                  row_tiles * kHeadTileRows >= rows,
              "tiles of " + std::to_string(rows) + " x " + std::to_string(vocab) + " in teams of " +
                  std::to_string(team));
      }
    }
  }
}

void test_layouts() {
  std::vector<int> seen(kFragmentRows * kFragmentColumns);
  for (int thread = 0; thread < kWarpgroup; ++thread)
    for (int i = 0; i < kFragment; ++i)
      ++seen[static_cast<size_t>(fragment_row(thread, i) * kFragmentColumns + fragment_column(thread, i))];
  check(std::all_of(seen.begin(), seen.end(), [](int n) { return n == 1; }),
        "fragments cover the product once");
  // From the figure of PTX: thread 37 (warp 1, lane 5) has row 17, and columns 2 and 3 first.
  check(fragment_row(37, 0) == 17 && fragment_column(37, 0) == 2 && fragment_column(37, 1) == 3 &&
            fragment_row(37, 2) == 25 && fragment_column(37, 2) == 2 && fragment_column(37, 4) == 10,
        "a thread's place in the product");
  const uint64_t descriptor = operand_descriptor(0x2c400);
  check(descriptor == 0x4000004000012c40u, "descriptor");
  bool steps = true;
  for (uint32_t row = 0; row < 16; ++row)
    for (uint32_t k = 0; k < 64; ++k) {
      // Where the copy puts element k of the row, and where a product looks whose start was moved on.
      const uint32_t base = 0x2c400, piece = (k * 2 / 16) ^ (row % 8);
      const uint32_t put = base + row * 128 + piece * 16 + k * 2 % 16;
      const uint64_t moved = descriptor + k / 16 * kDepthStep;
      const uint32_t start = static_cast<uint32_t>(moved & 0x3fff) * 16;
      steps = steps && moved >> 14 == descriptor >> 14 &&
              swizzled(start + row / 8 * kAtomBytes + row % 8 * kRowBytes + k % 16 * 2) == put;
    }
  check(steps, "a step along the depth inside the swizzle");
}

void test_fits() {
  const Problem p(Case{}, 3);
  HeadBlock block = block_of(p, HeadKernel::kWgmma);
  alignas(16) static char memory[64];
  block.hidden = block.weight = memory;
  check(wgmma_head_fits(block), "aligned operands fit");
  block.weight = memory + 2;
  check(!wgmma_head_fits(block), "a weight that is not aligned does not");
  block.weight = memory;
  block.weight_stride = 63;
  check(!wgmma_head_fits(block), "nor odd strides");
  block.weight_stride = 64;
  block.kept = memory;
  check(wgmma_head_fits(block), "logits are kept");
  block.softcap = 5;
  check(!wgmma_head_fits(block), "but not with a softcap");
  block.kept = nullptr;
  check(wgmma_head_fits(block), "a softcap alone fits");
  block.dtype = LAP_F32;
  check(!wgmma_head_fits(block), "nor f32");
}

}  // namespace

int main() {
  lap_cuda_context* ctx = open_context();
  test_layouts();
  test_tiles();
  test_fits();
  unsigned seed = 1;
  for (const lap_dtype dtype : {LAP_BF16, LAP_F16}) {
    for (const int64_t rows : {1, 64, 130})
      for (const int64_t vocab : {1, 255, 257, 770})
        test_case(ctx, {.dtype = dtype, .rows = rows, .vocab = vocab}, seed++);
    for (const int64_t width : {1, 7, 63, 65, 200, 384, 520})
      test_case(ctx, {.dtype = dtype, .rows = 9, .vocab = 270, .width = width}, seed++);
    test_case(
        ctx,
        {.dtype = dtype, .rows = 70, .vocab = 300, .width = 40, .hidden_padding = 8, .weight_padding = 24},
        seed++);
    test_case(ctx, {.dtype = dtype, .rows = 20, .softcap = 5, .spread = 6}, seed++);
    test_case(ctx, {.dtype = dtype, .rows = 20, .softcap = 30, .spread = 20, .per_row = true}, seed++);
    test_case(ctx, {.dtype = dtype, .rows = 20, .temperature = 0.1f, .spread = 3, .weighted = false}, seed++);
    test_case(ctx, {.dtype = dtype, .rows = 20, .spread = 40, .per_row = true}, seed++);  // peaked
    test_case(ctx, {.dtype = dtype, .rows = 150, .vocab = 300, .active = 131}, seed++);
    test_case(ctx, {.dtype = dtype, .rows = 150, .vocab = 300, .active = 0}, seed++);
    test_case(ctx, {.dtype = dtype, .rows = 12, .vocab = 520, .specials = true}, seed++);
    test_case(ctx, {.dtype = dtype, .rows = 12, .vocab = 520, .softcap = 8, .specials = true}, seed++);
  }
  test_case(ctx, {.rows = 2200, .vocab = 300, .width = 16}, seed++);  // more than one group of rows
  test_case(ctx, {.rows = 400, .vocab = 700, .width = 330}, seed++);  // the ring goes round many times
  test_invariance(ctx);
  lap_cuda_context_destroy(ctx);
  return finish();
}

// Backward of the linear log-probs: gradients of the logits strip by strip, multiplied into dhidden and
// dweight. 4 T H V operations are the floor with kept logits, 6 T H V where they are computed again. Rows go
// through in chunks; the vocabulary in super-blocks, in two phases each: the gradients of every strip, then
// their products, every part of dhidden and of dweight for itself. An element's sum runs in the order of the
// vocabulary, or of the tokens, whoever computes it.
#include <cstring>

#include "cpu/element.h"
#include "cpu/linear_logprobs.h"
#include "cpu/logit_strips.h"

namespace lapidary {
namespace {

constexpr int64_t kMostTileRows = 16;
constexpr int64_t kSuperBlock = 4;      // blocks that go through together
constexpr int64_t kTokenStrips = 16;    // strips whose tokens stay in the first-level cache
constexpr int64_t kColumnsPerTask = 8;  // tiles of columns of dweight

class Backward {
 public:
  Backward(ThreadPool& pool, const Implementation& cpu, const lap_linear_logprobs_backward_args& args,
           void* workspace)
      : pool_(pool), args_(args), head_(cpu, args), carver_(workspace) {
    chunk_ = round_to(head_.chunk_rows(args.rows), head_.lanes());
    const int64_t strips = chunk_ / head_.lanes(), lanes = head_.lanes();
    indices_ = carver_.take<int64_t>(args.rows);
    own_ = carver_.take<float>(chunk_);
    lanes_ = carver_.take<StripGradient>(strips);
    panels_ = carver_.take<float>(pool.threads() * head_.panel_size());
    gradients_ = carver_.take<float>(strips * gradient_size());
    if (args.kept == nullptr) packed_ = carver_.take<float>(TokenStrips::size(head_, chunk_));
    if (args.dhidden != nullptr) dhidden_ = carver_.take<float>(strips * dhidden_size());
    if (args.dweight != nullptr) tokens_ = carver_.take<float>(column_tiles() * chunk_ * lanes);
  }

  size_t workspace() const { return carver_.bytes(); }

  Status run() {
    int64_t count = 0;
    for (int64_t t = 0; t < args_.rows; ++t) {
      // Kept logits hold every row that is not ignored.
      const bool in =
          args_.targets[t] != args_.ignore_index && (args_.kept != nullptr || args_.dlogp[t] != 0.f);
      if (in) indices_[count++] = t;
      if (args_.dhidden != nullptr && (!in || args_.dlogp[t] == 0.f))
        std::memset(args_.dhidden + t * args_.width, 0, static_cast<size_t>(args_.width) * sizeof(float));
    }
    if (args_.dweight != nullptr && !args_.accumulate_dweight && count == 0)
      std::memset(args_.dweight, 0, static_cast<size_t>(args_.vocab * args_.width) * sizeof(float));
    for (int64_t start = 0; start < count && !pool_.is_cancelled(); start += chunk_)
      chunk(start, std::min(chunk_, count - start));
    return pool_.is_cancelled() ? cancelled() : ok_status();
  }

 private:
  // One tile more than it holds: strips a power of two apart would share a few sets of the first-level cache.
  int64_t gradient_size() const {
    return (kSuperBlock * head_.block() + head_.cpu.tile_rows) * head_.lanes();
  }
  int64_t dhidden_size() const { return round_to(args_.width, head_.cpu.tile_rows) * head_.lanes(); }
  int64_t column_tiles() const { return divide_up(args_.width, head_.lanes()); }

  void chunk(int64_t start, int64_t rows) {
    const int64_t* indices = indices_ + start;
    const TokenStrips tokens(head_, packed_, rows);
    if (args_.kept == nullptr) pack_tokens(pool_, head_, indices, tokens);
    pool_.parallel_for(tokens.strips, [&](int64_t s, int) { prepare_strip(tokens, start, s); });
    if (args_.dweight != nullptr) pack_columns(indices, tokens);
    const bool fresh = start == 0 && !args_.accumulate_dweight;
    for (int64_t first = 0; first < head_.blocks() && !pool_.is_cancelled(); first += kSuperBlock) {
      const int64_t blocks = std::min(kSuperBlock, head_.blocks() - first);
      gradients(tokens, start, first, blocks);
      products(tokens, first, blocks, !fresh);
    }
    if (args_.dhidden != nullptr && !pool_.is_cancelled()) scatter(indices, rows);
  }

  // The logit of lane `lane` of strip s at its target, to the bit as the tiles have it, for a finer lse than
  // the stored one (logit_math.h).
  float target_logit(const TokenStrips& tokens, int64_t s, int64_t lane, int64_t t) const {
    float panel[kMostTileRows * kPanelStride], strip[kMostTileRows * kMaxStrip];
    for (int64_t p = 0; p < head_.parts(); ++p) {
      const int64_t first = args_.targets[t] * args_.weight_stride + p * head_.part;
      head_.cpu.copy_panel(args_.weight, args_.dtype, first, args_.weight_stride, 1, head_.part_depth(p),
                           panel);
      head_.cpu.panel_times_strip(panel, tokens.at(head_, s, p), 1, head_.part_depth(p), p > 0, {}, strip);
    }
    if (args_.transform.softcap != 0) head_.cpu.cap_strip(strip, 1, args_.transform.softcap);
    return strip[lane];
  }

  float kept_logit(int64_t start, int64_t r) const {
    const int64_t lanes = head_.lanes(), strip = (start + r) / lanes;
    return static_cast<const float*>(
        args_.kept)[strip * head_.strip_size() + args_.targets[indices_[start + r]] * lanes + r % lanes];
  }

  void prepare_strip(const TokenStrips& tokens, int64_t start, int64_t s) {
    const int64_t lanes = head_.lanes(), rows = std::min(lanes, tokens.rows - s * lanes);
    StripGradient& gradient = lanes_[s];
    gradient.lanes = strip_lanes(head_, indices_ + start + s * lanes, rows);
    gradient.softcap = args_.transform.softcap;
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const int64_t r = s * lanes + lane;
      gradient.offset[lane] = gradient.factor[lane] = 0;
      if (lane < rows && args_.dlogp[indices_[start + r]] != 0.f) prepare_row(tokens, start, r, &gradient);
    }
    if (args_.dhidden != nullptr)
      std::memset(dhidden_ + s * dhidden_size(), 0, static_cast<size_t>(dhidden_size()) * sizeof(float));
  }

  void prepare_row(const TokenStrips& tokens, int64_t start, int64_t r, StripGradient* gradient) {
    const int64_t t = indices_[start + r], s = r / head_.lanes(), lane = r % head_.lanes();
    const LogitRow row = logit_row(nullptr, LAP_F32, args_.transform, t);
    const double logit = args_.kept == nullptr ? target_logit(tokens, s, lane, t) : kept_logit(start, r);
    const double temperature = row.temperature,
                 lse = finer_lse(args_.lse[t], args_.logp[t], logit / temperature);
    const float high = static_cast<float>(lse * temperature);
    const double low = lse - high / temperature;
    gradient->offset[lane] = high;
    gradient->factor[lane] = static_cast<float>(-args_.dlogp[t] / temperature * std::exp(-low));
    const double rest = args_.dlogp[t] * -std::expm1(static_cast<double>(args_.logp[t]));
    own_[r] = static_cast<float>(rest * cap_slope(row, logit) / temperature);
  }

  // hidden as column tiles [tokens, lanes], rows without a gradient as 0: they may hold NaN.
  void pack_columns(const int64_t* indices, const TokenStrips& tokens) {
    const int64_t lanes = head_.lanes(), padded = tokens.strips * lanes;
    pool_.parallel_for(column_tiles(), [&](int64_t tile, int) {
      const int64_t columns = std::min(lanes, args_.width - tile * lanes);
      float* out = tokens_ + tile * chunk_ * lanes;
      for (int64_t r = 0; r < padded; ++r, out += lanes) {
        const bool real = r < tokens.rows && args_.dlogp[indices[r]] != 0.f;
        const int64_t base = real ? indices[r] * args_.hidden_stride + tile * lanes : 0;
        for (int64_t c = 0; c < lanes; ++c)
          out[c] = real && c < columns ? load_element(args_.hidden, args_.dtype, base + c) : 0.f;
      }
    });
  }

  float* gradient_of(int64_t s, int64_t block) {
    return gradients_ + s * gradient_size() + block * head_.block() * head_.lanes();
  }

  float* panel_of(int worker) { return panels_ + worker * head_.panel_size(); }

  // A task is one block for some of the strips: with more threads than blocks, panels are copied anew.
  void gradients(const TokenStrips& tokens, int64_t start, int64_t first, int64_t blocks) {
    const int64_t shares = std::min(tokens.strips, divide_up(2 * pool_.threads(), blocks));
    const int64_t share = divide_up(tokens.strips, shares);
    pool_.parallel_for(blocks * shares, [&](int64_t task, int worker) {
      const int64_t block = task / shares, begin = task % shares * share;
      const int64_t end = std::min(tokens.strips, begin + share);
      if (args_.kept == nullptr) logits(tokens, first, block, begin, end, panel_of(worker));
      for (int64_t s = begin; s < end; ++s)
        strip_gradient(tokens, start, first + block, s, gradient_of(s, block));
    });
  }

  void logits(const TokenStrips& tokens, int64_t first, int64_t block, int64_t begin, int64_t end,
              float* panel) {
    for (int64_t p = 0; p < head_.parts() && begin < end; ++p) {
      head_.copy_panel(first + block, p, panel);
      for (int64_t s = begin; s < end; ++s) {
        const PanelAhead ahead =
            p + 1 < head_.parts() ? head_.ahead(first + block, p + 1, s - begin, end - begin) : PanelAhead{};
        head_.cpu.panel_times_strip(panel, tokens.at(head_, s, p), head_.block_rows(first + block),
                                    head_.part_depth(p), p > 0, ahead, gradient_of(s, block));
      }
    }
  }

  // The tasks of dhidden, which are longer, come first.
  void products(const TokenStrips& tokens, int64_t first, int64_t blocks, bool accumulate) {
    const int64_t shares = divide_up(2 * pool_.threads(), head_.parts());
    const int64_t share = divide_up(tokens.strips, shares);
    const int64_t of_hidden = args_.dhidden == nullptr ? 0 : head_.parts() * shares;
    const int64_t column_shares = divide_up(column_tiles(), kColumnsPerTask);
    const int64_t of_weight = args_.dweight == nullptr ? 0 : blocks * column_shares;
    pool_.parallel_for(of_hidden + of_weight, [&](int64_t task, int worker) {
      if (task < of_hidden) {
        const int64_t begin = task / head_.parts() * share;
        add_to_hidden(first, blocks, task % head_.parts(), begin, std::min(tokens.strips, begin + share),
                      panel_of(worker));
        return;
      }
      const int64_t block = (task - of_hidden) / column_shares;
      const int64_t begin = (task - of_hidden) % column_shares * kColumnsPerTask;
      const int64_t end = std::min(column_tiles(), begin + kColumnsPerTask);
      for (int64_t tile = begin; tile < end; ++tile) weight_tile(tokens, first, block, tile, accumulate);
    });
  }

  // Part p of the width for the strips [begin, end): a panel serves all strips while it is in cache.
  void add_to_hidden(int64_t first, int64_t blocks, int64_t p, int64_t begin, int64_t end, float* panel) {
    for (int64_t block = 0; block < blocks && begin < end; ++block) {
      head_.copy_panel(first + block, p, panel);
      for (int64_t s = begin; s < end; ++s) {
        head_.cpu.panel_transposed_times_strip(
            panel, gradient_of(s, block), head_.block_rows(first + block), head_.part_depth(p),
            head_.ahead(first + block + 1, p, s - begin, end - begin),
            dhidden_ + s * dhidden_size() + p * head_.part * head_.lanes());
      }
    }
  }

  void strip_gradient(const TokenStrips& tokens, int64_t start, int64_t index, int64_t s, float* out) {
    const int64_t lanes = head_.lanes(), count = head_.block_rows(index), first = index * head_.block();
    const float* logits = out;
    if (args_.kept != nullptr) {
      logits =
          static_cast<const float*>(args_.kept) + (start / lanes + s) * head_.strip_size() + first * lanes;
    } else if (args_.transform.softcap != 0) {
      head_.cpu.cap_strip(out, count, args_.transform.softcap);
    }
    head_.cpu.strip_gradient(logits, count, lanes_[s], out);
    for (int64_t i = count; i < round_to(count, head_.cpu.tile_rows); ++i)
      std::memset(out + i * lanes, 0, static_cast<size_t>(lanes) * sizeof(float));
    const int64_t rows = std::min(lanes, tokens.rows - s * lanes);
    for (int64_t lane = 0; lane < rows; ++lane) {
      const int64_t t = indices_[start + s * lanes + lane], local = args_.targets[t] - first;
      const bool here = local >= 0 && local < count && args_.dlogp[t] != 0.f;
      if (here) out[local * lanes + lane] = own_[s * lanes + lane];
    }
  }

  void weight_tile(const TokenStrips& tokens, int64_t first, int64_t block, int64_t tile, bool accumulate) {
    const int64_t lanes = head_.lanes(), columns = std::min(lanes, args_.width - tile * lanes);
    float* out = args_.dweight + (first + block) * head_.block() * args_.width + tile * lanes;
    for (int64_t s = 0; s < tokens.strips; s += kTokenStrips) {
      const int64_t strips = std::min(kTokenStrips, tokens.strips - s);
      head_.cpu.strips_times_tokens(
          gradient_of(s, block), gradient_size(), strips, tokens_ + (tile * chunk_ + s * lanes) * lanes,
          head_.block_rows(first + block), columns, accumulate || s > 0, out, args_.width);
    }
  }

  void scatter(const int64_t* indices, int64_t rows) {
    pool_.parallel_for(rows, [&](int64_t r, int) {
      if (args_.dlogp[indices[r]] == 0.f) return;
      const int64_t lanes = head_.lanes();
      const float* strip = dhidden_ + r / lanes * dhidden_size() + r % lanes;
      float* out = args_.dhidden + indices[r] * args_.width;
      for (int64_t h = 0; h < args_.width; ++h) out[h] = strip[h * lanes];
    });
  }

  ThreadPool& pool_;
  const lap_linear_logprobs_backward_args& args_;
  LinearHead head_;
  Carver carver_;
  int64_t chunk_;
  int64_t* indices_;
  float *own_, *panels_, *gradients_;
  float *packed_ = nullptr, *dhidden_ = nullptr, *tokens_ = nullptr;
  StripGradient* lanes_;
};

}  // namespace

size_t linear_logprobs_backward_workspace(ThreadPool& pool, const Implementation& cpu,
                                          const lap_linear_logprobs_backward_args& args) {
  return Backward(pool, cpu, args, nullptr).workspace();
}

Status linear_logprobs_backward(ThreadPool& pool, const Implementation& cpu,
                                const lap_linear_logprobs_backward_args& args) {
  return Backward(pool, cpu, args, args.workspace).run();
}

}  // namespace lapidary

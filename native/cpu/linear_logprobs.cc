// hidden [T,H] x weight [V,H] -> logp, lse, entropy, top1 [T]. 2 T H V operations are the floor; logits live
// only as strips in cache, unless the caller keeps them. The vocabulary is cut into a fixed number of groups,
// each row's statistics are summed in order within a group, and the groups are merged in order.
#include "cpu/linear_logprobs.h"

#include "cpu/logit_strips.h"

namespace lapidary {
namespace {

constexpr int64_t kMostGroups = 64;
constexpr float kNone = -std::numeric_limits<float>::infinity();

// What one group of the vocabulary leaves of a row, its target left out of the statistics.
struct Partial {
  LogitStats others;
  float top_logit;
  int32_t top;  // the first entry of the largest logit, the target among them; -1: none
};

class Forward {
 public:
  Forward(ThreadPool& pool, const Implementation& cpu, const lap_linear_logprobs_args& args, void* workspace)
      : pool_(pool), args_(args), head_(cpu, args), carver_(workspace) {
    chunk_ = head_.chunk_rows(args.rows);
    group_blocks_ = divide_up(head_.blocks(), kMostGroups);
    groups_ = divide_up(head_.blocks(), group_blocks_);
    // Each task reads its part of the weight anew: many strips where the vocabulary alone gives enough tasks.
    const int64_t most = std::max<int64_t>(1, (groups_ >= 16 ? 512 : 32) / head_.lanes());
    task_strips_ = std::min(most, divide_up(std::max<int64_t>(chunk_, 1), head_.lanes()));
    indices_ = carver_.take<int64_t>(args.rows);
    targets_ = carver_.take<float>(chunk_);
    partials_ = carver_.take<Partial>(groups_ * chunk_);
    packed_ = carver_.take<float>(TokenStrips::size(head_, chunk_));
    panels_ = carver_.take<float>(pool.threads() * head_.panel_size());
    if (args.kept == nullptr) logits_ = carver_.take<float>(pool.threads() * logits_size());
  }

  size_t workspace() const { return carver_.bytes(); }

  Status run() {
    int64_t count = 0;
    for (int64_t t = 0; t < args_.rows; ++t) {
      if (args_.targets[t] == args_.ignore_index) {
        put(t, {0.f, 0.f, 0.f, 0}, -1);
      } else {
        indices_[count++] = t;
      }
    }
    for (int64_t start = 0; start < count && !pool_.is_cancelled(); start += chunk_)
      chunk(start, std::min(chunk_, count - start));
    return pool_.is_cancelled() ? cancelled() : ok_status();
  }

 private:
  int64_t logits_size() const { return task_strips_ * head_.block() * head_.lanes(); }

  void chunk(int64_t start, int64_t rows) {
    const int64_t* indices = indices_ + start;
    const TokenStrips tokens(head_, packed_, rows);
    pack_tokens(pool_, head_, indices, tokens);
    const int64_t shares = divide_up(tokens.strips, task_strips_);
    pool_.parallel_for(groups_ * shares, [&](int64_t task, int worker) {
      const int64_t begin = task % shares * task_strips_;
      group(tokens, start, task / shares, begin, std::min(tokens.strips, begin + task_strips_), worker);
    });
    if (pool_.is_cancelled()) return;
    for (int64_t r = 0; r < rows; ++r) finish(indices[r], r);
  }

  // The strips [begin, end) against one group of the vocabulary.
  void group(const TokenStrips& tokens, int64_t start, int64_t group, int64_t begin, int64_t end,
             int worker) {
    Partial* partials = partials_ + group * chunk_;
    const int64_t last = std::min(tokens.rows, end * head_.lanes());
    for (int64_t r = begin * head_.lanes(); r < last; ++r)
      partials[r] = {{-std::numeric_limits<double>::infinity(), 0, 0, -1}, kNone, -1};
    const int64_t stop = std::min(head_.blocks(), (group + 1) * group_blocks_);
    for (int64_t index = group * group_blocks_; index < stop && !pool_.is_cancelled(); ++index) {
      float* out = logits_ + worker * logits_size();
      int64_t stride = head_.block() * head_.lanes();
      if (args_.kept != nullptr) {
        stride = head_.strip_size();
        out = static_cast<float*>(args_.kept) + (start / head_.lanes() + begin) * stride +
              index * head_.block() * head_.lanes();
      }
      block(tokens, start, index, begin, end, panels_ + worker * head_.panel_size(), out, stride, partials);
    }
  }

  // One block of the vocabulary; strip s goes to out + (s - begin) * stride.
  void block(const TokenStrips& tokens, int64_t start, int64_t index, int64_t begin, int64_t end,
             float* panel, float* out, int64_t stride, Partial* partials) {
    const int64_t count = head_.block_rows(index), lanes = head_.lanes();
    for (int64_t p = 0; p < head_.parts(); ++p) {
      head_.copy_panel(index, p, panel);
      for (int64_t s = begin; s < end; ++s) {
        float* strip = out + (s - begin) * stride;
        head_.cpu.panel_times_strip(panel, tokens.at(head_, s, p), count, head_.part_depth(p), p > 0,
                                    ahead(index, p, s - begin, end - begin), strip);
        if (p + 1 < head_.parts()) continue;
        const int64_t row = s * lanes;
        absorb(indices_ + start + row, row, std::min(lanes, tokens.rows - row), index * head_.block(), count,
               strip, partials + row);
      }
    }
  }

  // Of the panel after (index, p).
  PanelAhead ahead(int64_t index, int64_t p, int64_t s, int64_t strips) const {
    const bool last = p + 1 == head_.parts();
    return head_.ahead(last ? index + 1 : index, last ? 0 : p + 1, s, strips);
  }

  // Adds a block of logits to the statistics of its rows. The targets are kept apart: -inf adds nothing.
  void absorb(const int64_t* indices, int64_t row, int64_t rows, int64_t first, int64_t count, float* strip,
              Partial* partials) {
    const float softcap = args_.transform.softcap;
    if (softcap != 0) head_.cpu.cap_strip(strip, count, softcap);
    const auto target_of = [&](int64_t lane) -> float* {
      const int64_t local = args_.targets[indices[lane]] - first;
      return local < 0 || local >= count ? nullptr : strip + local * head_.lanes() + lane;
    };
    for (int64_t lane = 0; lane < rows; ++lane) {
      if (float* entry = target_of(lane)) {
        targets_[row + lane] = *entry;
        *entry = kNone;
      }
    }
    StripStats stats;
    const StripLanes lanes = strip_lanes(head_, indices, rows);
    head_.cpu.strip_stats(strip, count, lanes, args_.entropy != nullptr, &stats);
    for (int64_t lane = 0; lane < rows; ++lane) {
      if (float* entry = target_of(lane)) *entry = targets_[row + lane];
      add(stats, lane, temperature(indices[lane]), &partials[lane].others);
      if (args_.top1 != nullptr) raise_top(strip + lane, first, count, partials + lane);
    }
  }

  static void add(const StripStats& stats, int64_t lane, double temperature, LogitStats* into) {
    const double sum = stats.sum[lane];
    // No entry but -inf: the sum is of what lies below the floor.
    if (stats.max[lane] == kNone && !std::isnan(sum)) return;
    merge(into, {stats.max[lane] / temperature, sum, stats.weighted[lane] / temperature, -1});
  }

  // `lane` points at the lane's first entry.
  void raise_top(const float* lane, int64_t first, int64_t count, Partial* partial) {
    for (int64_t i = 0; i < count; ++i) {
      const float logit = lane[i * head_.lanes()];
      if (!(logit > partial->top_logit)) continue;
      partial->top_logit = logit;
      partial->top = static_cast<int32_t>(first + i);
    }
  }

  double temperature(int64_t t) const { return logit_row(nullptr, LAP_F32, args_.transform, t).temperature; }

  void finish(int64_t t, int64_t r) {
    Partial total = partials_[r];
    for (int64_t g = 1; g < groups_; ++g) {
      const Partial& later = partials_[g * chunk_ + r];
      merge(&total.others, later.others);
      if (later.top_logit > total.top_logit) {
        total.top_logit = later.top_logit;
        total.top = later.top;
      }
    }
    const RowResult result = finish_row(total.others, targets_[r] / temperature(t));
    put(t, result, std::isnan(result.logp) ? -1 : total.top);
  }

  void put(int64_t t, const RowResult& result, int32_t top) {
    args_.logp[t] = result.logp;
    args_.lse[t] = result.lse;
    if (args_.entropy != nullptr) args_.entropy[t] = result.entropy;
    if (args_.top1 != nullptr) args_.top1[t] = top;
  }

  ThreadPool& pool_;
  const lap_linear_logprobs_args& args_;
  LinearHead head_;
  Carver carver_;
  int64_t chunk_, group_blocks_, groups_, task_strips_;
  int64_t* indices_;
  float *targets_, *packed_, *panels_, *logits_ = nullptr;
  Partial* partials_;
};

}  // namespace

size_t linear_logprobs_workspace(ThreadPool& pool, const Implementation& cpu,
                                 const lap_linear_logprobs_args& args) {
  return Forward(pool, cpu, args, nullptr).workspace();
}

bool linear_kept_bytes(const Implementation& cpu, int64_t rows, int64_t vocab, size_t* bytes) {
  const int64_t entries = round_to(vocab, cpu.tile_rows);
  int64_t floats = 0;
  if (rows > INT64_MAX - cpu.tile_columns ||
      !multiply_checked(round_to(rows, cpu.tile_columns), entries, &floats) || floats > INT64_MAX / 16)
    return false;
  *bytes = static_cast<size_t>(floats) * sizeof(float);
  return true;
}

Status linear_logprobs(ThreadPool& pool, const Implementation& cpu, const lap_linear_logprobs_args& args) {
  return Forward(pool, cpu, args, args.workspace).run();
}

}  // namespace lapidary

// Vocabulary shards of the CUDA half, all three calls on the device: against the token log-probs of whole
// rows, whose own test holds them to sums in double; and the merge and the stats against the CPU's.
#include <cstring>

#include "cuda_fixture.h"

namespace {

using namespace cuda_test;

constexpr int64_t kRows = 6;

struct Case {
  lap_dtype dtype = LAP_F32;
  int64_t vocab = 1000;
  std::vector<int64_t> cuts{};
  float softcap = 0;
  size_t shift = 0;

  std::string name() const {
    std::string text = std::string(name_of(dtype)) + " V " + std::to_string(vocab) + " softcap " +
                       std::to_string(softcap) + " shift " + std::to_string(shift) + " cut at";
    for (const int64_t cut : cuts) text.append(" ").append(std::to_string(cut));
    return text;
  }
  int64_t begin(size_t r) const { return r == 0 ? 0 : cuts[r - 1]; }
  int64_t end(size_t r) const { return r < cuts.size() ? cuts[r] : vocab; }
  size_t shards() const { return cuts.size() + 1; }
};

struct Problem {
  Case given;
  Matrix whole;
  std::vector<Matrix> shards;
  std::vector<int32_t> targets;
  std::vector<float> dlogp, dentropy;

  Problem(const Case& c, unsigned seed) : given(c), whole(c.dtype, static_cast<size_t>(kRows * c.vocab)) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (size_t i = 0; i < whole.size(); ++i) whole.set(i, 3 * normal(random));
    for (int64_t t = 0; t < kRows; ++t) {
      targets.push_back(static_cast<int32_t>(random() % static_cast<unsigned>(c.vocab)));
      dlogp.push_back(t == 3 ? 0.f : normal(random));
      dentropy.push_back(t >= 3 ? 0.f : normal(random));
    }
    targets[1] = static_cast<int32_t>(c.begin(c.shards() - 1));
    whole.set(static_cast<size_t>(c.vocab + targets[1]), 40.f);  // a certain answer
    targets[4] = -100;
    for (size_t r = 0; r < c.shards(); ++r) {
      const int64_t width = c.end(r) - c.begin(r);
      Matrix shard(c.dtype, static_cast<size_t>(kRows * width));
      for (int64_t t = 0; t < kRows; ++t)
        for (int64_t v = 0; v < width; ++v)
          shard.set(static_cast<size_t>(t * width + v),
                    whole.get(static_cast<size_t>(t * c.vocab + c.begin(r) + v)));
      shards.push_back(shard);
    }
  }
};

template <class Args>
Args rows_of(const Case& c, const void* logits, const int32_t* targets, int64_t vocab) {
  Args args{};
  args.struct_size = sizeof args;
  args.logits = logits;
  args.dtype = c.dtype;
  args.rows = kRows;
  args.vocab = args.row_stride = vocab;
  args.targets = targets;
  args.ignore_index = -100;
  args.transform = {0.8f, nullptr, c.softcap};
  return args;
}

struct Columns {
  std::vector<float> logp, lse, lse_low, entropy;
};

std::vector<lap_vocab_stats> stats_on_cpu(lap_context* cpu, const Problem& p, size_t r) {
  std::vector<lap_vocab_stats> out(kRows);
  auto args = rows_of<lap_vocab_shard_stats_args>(p.given, p.shards[r].bytes.data(), p.targets.data(),
                                                  p.given.end(r) - p.given.begin(r));
  args.begin = p.given.begin(r);
  args.want_entropy = 1;
  args.stats = out.data();
  check(lap_vocab_shard_stats(cpu, &args) == LAP_OK, p.given.name() + ": stats on the CPU");
  return out;
}

std::vector<lap_vocab_stats> stats_on_device(lap_cuda_context* ctx, const Problem& p, size_t r) {
  OnDevice<uint8_t> logits(ctx, p.shards[r].bytes, p.given.shift * p.whole.element_bytes());
  OnDevice<int32_t> targets(ctx, p.targets);
  OnDevice<lap_vocab_stats> out(ctx, std::vector<lap_vocab_stats>(kRows));
  auto args = rows_of<lap_vocab_shard_stats_args>(p.given, logits.data(), targets.data(),
                                                  p.given.end(r) - p.given.begin(r));
  args.begin = p.given.begin(r);
  args.want_entropy = 1;
  args.stats = out.data();
  check(lap_cuda_vocab_shard_stats(ctx, &args) == LAP_OK, p.given.name() + ": stats");
  return out.host();
}

Columns merge_on_device(lap_cuda_context* ctx, const std::vector<lap_vocab_stats>& stats) {
  const std::vector<float> fresh(kRows, 7);
  OnDevice<lap_vocab_stats> given(ctx, stats);
  OnDevice<float> logp(ctx, fresh), lse(ctx, fresh), lse_low(ctx, fresh), entropy(ctx, fresh);
  lap_vocab_shard_merge_args args{sizeof args,    static_cast<int64_t>(stats.size()) / kRows,
                                  kRows,          given.data(),
                                  logp.data(),    lse.data(),
                                  lse_low.data(), entropy.data()};
  check(lap_cuda_vocab_shard_merge(ctx, &args) == LAP_OK, "merge");
  return {logp.host(), lse.host(), lse_low.host(), entropy.host()};
}

Columns merge_on_cpu(lap_context* cpu, const std::vector<lap_vocab_stats>& stats) {
  const std::vector<float> fresh(kRows, 7);
  Columns out{fresh, fresh, fresh, fresh};
  lap_vocab_shard_merge_args args{sizeof args,
                                  static_cast<int64_t>(stats.size()) / kRows,
                                  kRows,
                                  stats.data(),
                                  out.logp.data(),
                                  out.lse.data(),
                                  out.lse_low.data(),
                                  out.entropy.data()};
  check(lap_vocab_shard_merge(cpu, &args) == LAP_OK, "merge on the CPU");
  return out;
}

// Forward and backward of the whole rows by the token log-probs.
Columns forward_of_whole(lap_cuda_context* ctx, const Problem& p) {
  const std::vector<float> fresh(kRows, 7);
  OnDevice<uint8_t> logits(ctx, p.whole.bytes);
  OnDevice<int32_t> targets(ctx, p.targets);
  OnDevice<float> logp(ctx, fresh), lse(ctx, fresh), entropy(ctx, fresh);
  auto args = rows_of<lap_token_logprobs_args>(p.given, logits.data(), targets.data(), p.given.vocab);
  args.logp = logp.data();
  args.lse = lse.data();
  args.entropy = entropy.data();
  check(lap_cuda_token_logprobs(ctx, &args) == LAP_OK, p.given.name() + ": whole rows");
  return {logp.host(), lse.host(), fresh, entropy.host()};
}

template <class Args, class Call>
std::vector<float> backward(lap_cuda_context* ctx, const Problem& p, const Matrix& matrix, int64_t vocab,
                            const Columns& of, bool in_place, const Call& call) {
  OnDevice<float> logp(ctx, of.logp), lse(ctx, of.lse), lse_low(ctx, of.lse_low), entropy(ctx, of.entropy),
      dlogp(ctx, p.dlogp), dentropy(ctx, p.dentropy);
  OnDevice<uint8_t> logits(ctx, matrix.bytes, p.given.shift * matrix.element_bytes());
  OnDevice<uint8_t> out(ctx, std::vector<uint8_t>(matrix.bytes.size(), 0x55));
  OnDevice<int32_t> targets(ctx, p.targets);
  auto args = rows_of<Args>(p.given, logits.data(), targets.data(), vocab);
  if constexpr (requires { args.lse_low; }) args.lse_low = lse_low.data();
  args.logp = logp.data();
  args.lse = lse.data();
  args.dlogp = dlogp.data();
  args.entropy = entropy.data();
  args.dentropy = dentropy.data();
  args.dlogits = in_place ? logits.data() : out.data();
  args.dlogits_stride = vocab;
  check(call(&args) == LAP_OK, p.given.name() + ": backward");
  const std::vector<uint8_t> bytes = in_place ? logits.host() : out.host();
  std::vector<float> values(matrix.size());
  for (size_t i = 0; i < values.size(); ++i) values[i] = matrix.read(bytes.data(), i);
  return values;
}

std::vector<float> shard_backward(lap_cuda_context* ctx, const Problem& p, size_t r, const Columns& of,
                                  bool in_place) {
  const int64_t width = p.given.end(r) - p.given.begin(r);
  return backward<lap_vocab_shard_backward_args>(ctx, p, p.shards[r], width, of, in_place,
                                                 [&](lap_vocab_shard_backward_args* args) {
                                                   args->begin = p.given.begin(r);
                                                   return lap_cuda_vocab_shard_backward(ctx, args);
                                                 });
}

bool are_near(const std::vector<float>& a, const std::vector<float>& b, double bound) {
  for (size_t i = 0; i < a.size(); ++i)
    if (!is_near(a[i], b[i], bound)) return false;
  return a.size() == b.size();
}
bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void check_columns(const Columns& actual, const Columns& expected, const std::string& where) {
  check(are_near(actual.logp, expected.logp, 3e-6), where + " logp");
  check(are_near(actual.lse, expected.lse, 3e-6), where + " lse");
  check(are_near(actual.entropy, expected.entropy, 2e-5), where + " entropy");
}

void test_case(lap_cuda_context* ctx, lap_context* cpu, const Case& given, unsigned seed) {
  const Problem p(given, seed);
  std::vector<lap_vocab_stats> stats, of_cpu;
  for (size_t r = 0; r < given.shards(); ++r) {
    for (const lap_vocab_stats& row : stats_on_device(ctx, p, r)) stats.push_back(row);
    for (const lap_vocab_stats& row : stats_on_cpu(cpu, p, r)) of_cpu.push_back(row);
  }
  const Columns merged = merge_on_device(ctx, stats), whole = forward_of_whole(ctx, p);
  check_columns(merged, whole, given.name() + ": as whole rows,");
  check_columns(merged, merge_on_cpu(cpu, of_cpu), given.name() + ": as on the CPU,");
  const Columns again = merge_on_cpu(cpu, stats);
  check_columns(merged, again, given.name() + ": the same stats merged on the CPU,");
  const auto expected = backward<lap_token_logprobs_backward_args>(
      ctx, p, p.whole, given.vocab, whole, false,
      [&](lap_token_logprobs_backward_args* args) { return lap_cuda_token_logprobs_backward(ctx, args); });
  const double bound = 3e-6 + (given.dtype == LAP_F32 ? 0 : given.dtype == LAP_BF16 ? 1. / 128 : 1. / 1024);
  for (size_t r = 0; r < given.shards(); ++r) {
    const int64_t width = given.end(r) - given.begin(r);
    const auto actual = shard_backward(ctx, p, r, merged, false);
    bool near = true;
    for (int64_t t = 0; t < kRows; ++t)
      for (int64_t v = 0; v < width; ++v)
        near =
            near &&
            std::fabs(actual[static_cast<size_t>(t * width + v)] -
                      expected[static_cast<size_t>(t * given.vocab + given.begin(r) + v)]) <=
                bound * std::fabs(expected[static_cast<size_t>(t * given.vocab + given.begin(r) + v)]) + 1e-6;
    const std::string where = given.name() + ": gradient of shard " + std::to_string(r);
    check(near, where);
    check(same_bits(shard_backward(ctx, p, r, merged, true), actual), where + " in place");
  }
}

// Contents that the host cannot see.
void test_bad_contents(lap_cuda_context* ctx) {
  Problem p({.vocab = 500, .cuts = {200}}, 3);
  p.targets[0] = -7;
  p.targets[2] = 500;  // in no shard
  std::vector<lap_vocab_stats> stats;
  for (size_t r = 0; r < 2; ++r)
    for (const lap_vocab_stats& row : stats_on_device(ctx, p, r)) stats.push_back(row);
  stats[5].held = stats[kRows + 5].held = 1;  // in both
  const Columns merged = merge_on_device(ctx, stats);
  for (const size_t t : {0u, 2u, 5u})
    check(std::isnan(merged.logp[t]) && std::isnan(merged.lse[t]) && std::isnan(merged.lse_low[t]) &&
              std::isnan(merged.entropy[t]),
          "a row that the shards do not share gives NaN, row " + std::to_string(t));
  check(!std::isnan(merged.logp[1]) && merged.logp[4] == 0 && merged.lse_low[4] == 0,
        "the others are unharmed");
  const auto gradient = shard_backward(ctx, p, 0, merged, false);
  check(std::isnan(gradient[0]) && std::isnan(gradient[2 * 200 + 199]) && !std::isnan(gradient[200]),
        "and NaN as its gradient");
}

void test_errors(lap_cuda_context* ctx) {
  const auto named = [&](lap_status status, const char* name) {
    check(status == LAP_INVALID_ARGUMENT &&
              std::string(lap_cuda_error_message(ctx)).find(name) != std::string::npos,
          std::string(name) + " is named");
  };
  auto args = rows_of<lap_vocab_shard_stats_args>({.vocab = 10}, nullptr, nullptr, 10);
  args.begin = -1;
  named(lap_cuda_vocab_shard_stats(ctx, &args), "begin");
  args.begin = (int64_t{1} << 31) - 9;
  named(lap_cuda_vocab_shard_stats(ctx, &args), "begin");
  args.begin = 0;
  named(lap_cuda_vocab_shard_stats(ctx, &args), "targets");
  args.rows = 0;
  check(lap_cuda_vocab_shard_stats(ctx, &args) == LAP_OK, "no rows");
  lap_vocab_shard_merge_args merge{};
  merge.struct_size = sizeof merge;
  named(lap_cuda_vocab_shard_merge(ctx, &merge), "shards");
  merge.shards = 2;
  check(lap_cuda_vocab_shard_merge(ctx, &merge) == LAP_OK, "a merge of no rows");
  merge.rows = 3;
  named(lap_cuda_vocab_shard_merge(ctx, &merge), "stats");
  check(lap_cuda_vocab_shard_backward(ctx, nullptr) == LAP_INVALID_ARGUMENT, "NULL arguments");
}

}  // namespace

int main() {
  lap_cuda_context* ctx = open_context();
  lap_context* cpu = open_cpu();
  unsigned seed = 1;
  for (const lap_dtype dtype : {LAP_F32, LAP_BF16, LAP_F16}) {
    test_case(ctx, cpu, {.dtype = dtype, .vocab = 2, .cuts = {1}}, seed++);
    test_case(ctx, cpu, {.dtype = dtype, .vocab = 1000, .cuts = {1, 8, 500, 999}}, seed++);
    test_case(ctx, cpu, {.dtype = dtype, .vocab = 9001, .cuts = {4500}, .shift = 3}, seed++);
    test_case(ctx, cpu, {.dtype = dtype, .vocab = 3001, .cuts = {2999}, .softcap = 15}, seed++);
    test_case(ctx, cpu, {.dtype = dtype, .vocab = 152064, .cuts = {76032}}, seed++);
  }
  test_bad_contents(ctx);
  test_errors(ctx);
  lap_context_destroy(cpu);
  lap_cuda_context_destroy(ctx);
  return finish();
}

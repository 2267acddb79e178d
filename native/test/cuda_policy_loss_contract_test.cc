// What the policy loss of the CUDA half promises about layouts, packing, order, phases, bad contents, and
// what it refuses: all to the bit.
#include "cuda_policy_loss_fixture.h"
#include "cuda_policy_loss_objectives.h"

namespace {

using namespace cuda_test;

void test_layouts(lap_cuda_context* ctx) {
  unsigned seed = 0;
  for (const lap_objective& objective : few_objectives()) {
    for (const bool pairs : {false, true}) {
      const std::string where = "objective " + std::to_string(seed++ / 2) + (pairs ? " with pairs" : "");
      Batch b = random_batch(kLengths, 31);
      poison_masked(&b);
      if (pairs) give_pairs(&b, 5);
      OnDeviceBatch packed(ctx, b, objective, 0);
      const LossResult first = packed.run();
      check(same_bits(packed.run(), first), where + ": the same call, the same bits");
      check(same_bits(packed.run({lap_cuda_policy_loss_reduce, lap_cuda_policy_loss_map}), first),
            where + ": two phases, the same bits");
      for (const size_t shift : {1u, 2u, 3u})
        check(same_bits(OnDeviceBatch(ctx, b, objective, shift).run(), first),
              where + ": columns that lie otherwise, the same bits");
      for (const int64_t stride : {1100, 1337}) {
        LossResult rows = OnDeviceBatch(ctx, b, objective, 1, stride).run();
        bool zero = true;
        for (int64_t i = 0; i < b.sequences(); ++i)
          for (int64_t t = b.lengths[static_cast<size_t>(i)]; t < stride; ++t)
            zero = zero && rows.g[static_cast<size_t>(i * stride + t)] == 0;
        check(zero, where + ": g of the padding is 0");
        rows.g = without_padding(rows.g, b, stride);
        check(same_bits(rows, first), where + ": padded, the same bits");
      }
    }
  }
  Batch whole = random_batch({700, 700, 700, 700}, 8);
  OnDeviceBatch full(ctx, whole, few_objectives()[0], 0, 700), packed(ctx, whole, few_objectives()[0]);
  full.args.lengths = nullptr;
  check(same_bits(full.run(), packed.run()), "rows without lengths, the same bits as packed");
}

// A sequence of `from`, alone.
Batch alone(const Batch& from, size_t i) {
  Batch b = from;
  const auto offsets = from.offsets();
  b.each_column([&](auto& column) {
    column = {column.begin() + offsets[i], column.begin() + offsets[i + 1]};
  });
  b.lengths = {from.lengths[i]};
  b.advantages = {from.advantages[i]};
  b.seq_scale = {from.seq_scale[i]};
  b.nft_quality = {from.nft_quality[i]};
  return b;
}

void test_packing(lap_cuda_context* ctx) {
  std::vector<lap_objective> objectives = few_objectives();
  objectives.erase(objectives.begin() + 3);  // a pair is never alone
  int k = 0;
  for (const lap_objective& objective : objectives) {
    const std::string where = "packing, objective " + std::to_string(k++);
    Batch b = random_batch({3, 1201, 7, 2, 513, 90, 512, 4000, 1}, 77);
    const LossResult all = OnDeviceBatch(ctx, b, objective).run();
    const auto offsets = b.offsets();
    for (size_t i = 0; i < b.lengths.size(); ++i) {
      const LossResult one = OnDeviceBatch(ctx, alone(b, i), objective, i % 4).run();
      const std::vector<float> among(all.g.begin() + offsets[i], all.g.begin() + offsets[i + 1]);
      check(same_bits(one.g, among), where + ": g of sequence " + std::to_string(i) + " alone");
      check(same_bits(one.stats, {all.stats[i]}), where + ": stats of sequence " + std::to_string(i));
    }
  }
}

void test_same_policy(lap_cuda_context* ctx) {
  Batch b = random_batch({700, 3, 1999}, 3);
  b.has_mask = false;
  b.ref_logp = b.logp;
  const LossResult out = OnDeviceBatch(ctx, b, few_objectives()[0], 1).run();
  for (const auto& stats : out.stats)
    check(stats.log_ratio_sum == 0, "S = 0 where the policy is its reference");
  check(out.diagnostics[LAP_DIAG_S_MAX_ABS] == 0 && out.diagnostics[LAP_DIAG_SEQUENCE_LOSS] == 0 &&
            out.diagnostics[LAP_DIAG_SEQUENCES] == 3,
        "and no pull");
}

bool all_nan(const LossResult& out) {
  bool nan = out.status == LAP_OK;
  for (const float g : out.g) nan = nan && std::isnan(g);
  for (const double d : out.diagnostics) nan = nan && std::isnan(d);
  return nan;
}
bool stats_are_nan(const LossResult& out) {
  bool nan = true;
  for (const auto& stats : out.stats) nan = nan && std::isnan(stats.kept) && std::isnan(stats.log_ratio_sum);
  return nan;
}

// Two large pulls that cancel, and then a small one: what is left says in which order they were added.
void test_pair_order(lap_cuda_context* ctx) {
  Batch b = random_batch({20, 20, 20, 20}, 12);
  b.has_mask = b.has_weights = false;
  b.ref_logp = b.logp;
  b.seq_scale = {1e20f, 1e20f, 1.f, 1.f};
  lap_objective o = plain_objective();
  o.gate = LAP_GATE_NONE;
  o.sequence_term = LAP_SEQUENCE_HINGE_PAIR;
  o.sequence_anchor = LAP_ANCHOR_REF;
  b.has_pairs = true;
  b.pairs = {1, 0, 0, 3, 2, 0};
  check(OnDeviceBatch(ctx, b, o).run().g[0] == o.tau, "pulls are added in the order of the pairs");
  b.pairs = {2, 0, 1, 0, 0, 3};
  check(OnDeviceBatch(ctx, b, o).run().g[0] == 0, "and in that order only");
  // Many at one sequence: every length of list is merged in turn.
  for (int count = 1; count < 40; ++count) {
    b.pairs.clear();
    for (int k = 0; k < count; ++k) b.pairs.insert(b.pairs.end(), {k % 2 == 0 ? 1 : 0, k % 2 == 0 ? 0 : 3});
    b.pairs.insert(b.pairs.end(), {2, 0});
    const float left = count % 2 == 0 ? o.tau : o.tau * 1e20f;
    check(OnDeviceBatch(ctx, b, o).run().g[0] == left, std::to_string(count) + " pulls in order");
  }
}

void test_bad_offsets(lap_cuda_context* ctx) {
  const int64_t huge = int64_t{1} << 60;
  // Of three sequences and 1000 tokens.
  const std::vector<std::vector<int64_t>> bad{
      {1, 100, 600, 1000},     {0, 100, 600, 999},        {0, 100, 600, 1001},  {0, 600, 100, 1000},
      {0, -5, 600, 1000},      {-huge, 100, 600, 1000},   {0, 100, huge, 1000}, {0, 100, 600, huge},
      {0, INT64_MIN, 0, 1000}, {0, 1000, INT64_MAX, 1000}};
  const Batch b = random_batch({100, 500, 400}, 6);
  for (const lap_objective& objective : {few_objectives()[0], few_objectives()[2]}) {
    for (const auto& offsets : bad) {
      OnDeviceBatch batch(ctx, b, objective);
      batch.args.cu_seqlens = batch.upload(offsets);
      const LossResult out = batch.run();
      check(all_nan(out) && stats_are_nan(out), "bad offsets give NaN and nothing else");
      check(stats_are_nan(batch.run({lap_cuda_policy_loss_reduce})), "and NaN stats in phase one");
      check(all_nan(batch.run({lap_cuda_policy_loss_map})), "and NaN in phase two");
    }
    for (const int64_t length : {int64_t{-1}, int64_t{501}, huge, INT64_MIN}) {
      OnDeviceBatch batch(ctx, b, objective, 0, 500);
      batch.args.lengths = batch.upload(std::vector<int64_t>{100, length, 400});
      const LossResult out = batch.run();
      check(all_nan(out) && stats_are_nan(out), "a length that no row has gives NaN");
    }
  }
  Batch none = random_batch({}, 1);
  OnDeviceBatch batch(ctx, none, few_objectives()[0]);
  batch.args.cu_seqlens = batch.upload(std::vector<int64_t>{3});
  check(all_nan(batch.run()), "no sequences, but an offset");
}

void test_bad_contents(lap_cuda_context* ctx) {
  Batch b = random_batch({100, 500, 400, 10}, 6);
  b.has_pairs = true;
  for (const std::vector<int64_t>& pairs : std::vector<std::vector<int64_t>>{
           {0, 1, 2, 4}, {-1, 1, 2, 3}, {0, 1, 2, 2}, {INT64_MAX, 0, 0, INT64_MIN}}) {
    b.pairs = pairs;
    check(all_nan(OnDeviceBatch(ctx, b, few_objectives()[3]).run()), "bad pairs give NaN");
    check(!all_nan(OnDeviceBatch(ctx, b, few_objectives()[0]).run()), "but not where nothing is of pairs");
  }
  b.pairs.clear();
  const LossResult none = OnDeviceBatch(ctx, b, few_objectives()[3]).run();
  check(none.status == LAP_OK && none.diagnostics[LAP_DIAG_PAIRS] == 0, "no pairs at all");
  for (const float quality : {1.f, -0.1f, float(NAN), float(INFINITY)}) {
    b.nft_quality[2] = quality;
    check(all_nan(OnDeviceBatch(ctx, b, few_objectives()[4]).run()), "a quality out of range gives NaN");
    check(!all_nan(OnDeviceBatch(ctx, b, few_objectives()[1]).run()), "but not where no gate reads it");
  }
}

// Where an objective does not name a column, nothing looks at it: it need not even be there.
void test_unused(lap_cuda_context* ctx) {
  Batch b = random_batch({100, 0, 600}, 6);
  OnDeviceBatch bcpg(ctx, b, few_objectives()[0]), grpo(ctx, b, few_objectives()[1]);
  const LossResult first = bcpg.run(), second = grpo.run();
  const float* nowhere = reinterpret_cast<const float*>(uintptr_t{64});
  bcpg.args.old_logp = bcpg.args.behaviour_logp = bcpg.args.nft_quality = nowhere;
  grpo.args.behaviour_logp = grpo.args.nft_quality = nowhere;
  check(same_bits(bcpg.run(), first) && same_bits(grpo.run(), second), "unused columns are not read");
}

void test_errors(lap_cuda_context* ctx) {
  Batch b = random_batch({10, 20}, 2);
  const auto refuses = [&](const char* word, auto spoil, OnDeviceBatch::Call call = lap_cuda_policy_loss) {
    OnDeviceBatch batch(ctx, b, few_objectives()[0]);
    spoil(batch.args);
    const LossResult out = batch.run({call});
    check(out.status == LAP_INVALID_ARGUMENT && out.message.find(word) != std::string::npos,
          std::string(word) + " is named: " + out.message);
  };
  using Args = lap_policy_loss_args;
  refuses("logp", [](Args& a) { a.logp = nullptr; });
  refuses("stats", [](Args& a) { a.stats = nullptr; });
  refuses("advantages", [](Args& a) { a.advantages = nullptr; });
  refuses("seq_scale", [](Args& a) { a.seq_scale = nullptr; });
  refuses("dlogp", [](Args& a) { a.dlogp = nullptr; });
  refuses("diagnostics", [](Args& a) { a.diagnostics = nullptr; });
  refuses("cu_seqlens", [](Args& a) { a.cu_seqlens = nullptr; });
  refuses("ref_logp", [](Args& a) { a.ref_logp = nullptr; });
  refuses("gate", [](Args& a) { a.objective.gate = static_cast<lap_gate>(99); });
  refuses("tokens", [](Args& a) { a.tokens = -1; });
  refuses("sequences", [](Args& a) { a.sequences = INT64_MAX; });
  refuses("workspace", [](Args& a) { a.workspace = nullptr; });
  refuses(
      "workspace_bytes", [](Args& a) { --a.workspace_bytes; }, lap_cuda_policy_loss_reduce);
  refuses("pair_count", [&](Args& a) {
    a.pairs = reinterpret_cast<const int64_t*>(a.cu_seqlens);
    a.pair_count = -1;
  });
  size_t bytes = 0;
  check(lap_cuda_policy_loss(ctx, nullptr) == LAP_INVALID_ARGUMENT, "NULL arguments");
  check(lap_cuda_policy_loss_workspace(ctx, nullptr, &bytes) == LAP_INVALID_ARGUMENT, "NULL to the query");
}

}  // namespace

int main() {
  lap_cuda_context* ctx = open_context();
  test_layouts(ctx);
  test_packing(ctx);
  test_same_policy(ctx);
  test_pair_order(ctx);
  test_bad_offsets(ctx);
  test_bad_contents(ctx);
  test_unused(ctx);
  test_errors(ctx);
  lap_cuda_context_destroy(ctx);
  return finish();
}

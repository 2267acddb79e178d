// The policy loss of the CUDA half: against the CPU's map in double for the whole objective family, against
// sums written here for two of them, and what it promises about layouts, order, phases and bad contents.
#include "cuda_policy_loss_fixture.h"

namespace {

using namespace cuda_test;

// Rounding of an f32 g, and of the terms where a map in f32 is used.
constexpr double kBound = 1e-6;

lap_objective plain_objective() {
  lap_objective o{};
  o.struct_size = sizeof o;
  o.clip_low = o.clip_high = 0.2f;
  o.positive[0] = 0.5f, o.positive[1] = 1.5f;
  o.negative[0] = 0.25f, o.negative[1] = 2.f;
  o.geometric_low = 0.1f, o.geometric_high = 0.15f;
  o.nft_floor = 0.1f, o.nft_omega = 0.7f;
  o.mask_low = 0.5f, o.mask_high = 1.2f;
  o.importance_low = 0.5f, o.importance_high = 2.f;
  o.kl_coefficient = 0.1f;
  o.tau = 0.05f;
  o.smoothing = 0.1f, o.margin = 0.2f;
  o.kto_z0 = 0.1f, o.kto_desirable = 1.f, o.kto_undesirable = 1.5f;
  return o;
}

const std::vector<int64_t> kLengths{5, 40, 0, 513, 512, 1, 1100, 0, 33, 300};

std::vector<std::pair<std::string, lap_objective>> named_objectives() {
  std::vector<std::pair<std::string, lap_objective>> out;
  const auto add = [&](const std::string& name, auto set) {
    lap_objective o = plain_objective();
    set(o);
    out.emplace_back(name, o);
  };
  for (int gate = 0; gate <= LAP_GATE_NFT; ++gate) {
    for (int level = 0; level <= LAP_LEVEL_GEOMETRIC; ++level) {
      for (const int through : {0, 1}) {
        add("gate " + std::to_string(gate) + " level " + std::to_string(level) + " through " +
                std::to_string(through),
            [&](lap_objective& o) {
              o.gate = static_cast<lap_gate>(gate);
              o.ratio_level = static_cast<lap_level>(level);
              o.ratio_anchor = LAP_ANCHOR_OLD;
              o.through_token = through;
            });
      }
    }
  }
  for (int mask = 1; mask <= LAP_MASK_BINARY_KL; ++mask)
    add("mask " + std::to_string(mask), [&](lap_objective& o) {
      o.gate = LAP_GATE_RATIO;
      o.ratio_anchor = o.mask_anchor = LAP_ANCHOR_BEHAVIOUR;
      o.token_mask = static_cast<lap_token_mask>(mask);
    });
  for (int kind = 1; kind <= 2; ++kind)
    for (int level = 0; level <= 2; ++level)
      for (int outside = 0; outside <= 2; ++outside)
        add("importance " + std::to_string(kind) + " level " + std::to_string(level) + " outside " +
                std::to_string(outside),
            [&](lap_objective& o) {
              o.importance = static_cast<lap_importance>(kind);
              o.importance_level = static_cast<lap_level>(level);
              o.importance_outside = static_cast<lap_outside>(outside);
              o.importance_low = 0.8f, o.importance_high = 1.2f;
            });
  for (int kl = 1; kl <= LAP_KL_SQUARE; ++kl)
    for (int gradient = 0; gradient <= LAP_KL_WEIGHTED; ++gradient)
      for (const float bound : {0.f, 0.3f})
        add("kl " + std::to_string(kl) + " gradient " + std::to_string(gradient) + " bound " +
                std::to_string(bound),
            [&](lap_objective& o) {
              o.gate = LAP_GATE_NONE;
              o.kl = static_cast<lap_kl>(kl);
              o.kl_gradient = static_cast<lap_kl_gradient>(gradient);
              o.kl_anchor = LAP_ANCHOR_REF;
              o.kl_ratio_anchor = LAP_ANCHOR_OLD;
              o.kl_input_bound = bound;
              o.kl_output_bound = bound / 3;
            });
  for (int term = 1; term <= LAP_SEQUENCE_SPPO; ++term)
    for (const int mean : {0, 1})
      for (const lap_anchor anchor : {LAP_ANCHOR_NONE, LAP_ANCHOR_REF})
        add("term " + std::to_string(term) + " mean " + std::to_string(mean) + " anchor " +
                std::to_string(anchor),
            [&](lap_objective& o) {
              o.sequence_term = static_cast<lap_sequence_term>(term);
              o.sequence_mean = mean;
              o.sequence_anchor = anchor;
            });
  add("sequence mask", [](lap_objective& o) { o.sequence_mask = 0.001f; });
  add("dual clip and cap", [](lap_objective& o) {
    o.gate = LAP_GATE_CLIP_SURROGATE;
    o.ratio_anchor = LAP_ANCHOR_OLD;
    o.dual_clip = 1.5f, o.ratio_cap = 1.3f;
  });
  add("grpo", [](lap_objective& o) {
    o.gate = LAP_GATE_CLIP_SURROGATE;
    o.ratio_anchor = LAP_ANCHOR_OLD;
    o.kl = LAP_KL_K3, o.kl_anchor = LAP_ANCHOR_REF;
  });
  return out;
}

lap_objective random_objective(unsigned seed) {
  std::mt19937 random(seed);
  const auto upto = [&](int last) { return static_cast<int>(random() % static_cast<unsigned>(last + 1)); };
  lap_objective o = plain_objective();
  o.gate = static_cast<lap_gate>(upto(8));
  o.ratio_anchor = static_cast<lap_anchor>(1 + upto(2));
  o.ratio_level = static_cast<lap_level>(upto(3));
  o.through_token = upto(3) == 0;
  o.dual_clip = upto(1) ? 0.f : 1.4f;
  o.ratio_cap = upto(1) ? 0.f : 1.6f;
  if (upto(2) == 0) o.token_mask = static_cast<lap_token_mask>(upto(4));
  o.mask_anchor = static_cast<lap_anchor>(2 + upto(1));
  o.sequence_mask = upto(3) == 0 ? 0.01f : 0.f;
  if (upto(1) == 0) o.importance = static_cast<lap_importance>(upto(2));
  o.importance_level = static_cast<lap_level>(upto(2));
  o.importance_outside = static_cast<lap_outside>(upto(2));
  o.kl = static_cast<lap_kl>(upto(5));
  o.kl_gradient = static_cast<lap_kl_gradient>(upto(1) ? 0 : upto(4));
  o.kl_anchor = static_cast<lap_anchor>(1 + upto(2));
  o.kl_ratio_anchor = static_cast<lap_anchor>(1 + upto(2));
  o.kl_input_bound = upto(2) ? 0.f : 0.5f;
  o.kl_output_bound = upto(2) ? 0.f : 0.2f;
  o.sequence_term = static_cast<lap_sequence_term>(upto(7));
  o.sequence_anchor = static_cast<lap_anchor>(upto(3));
  o.sequence_mean = upto(1);
  return o;
}

// With and without what is optional: weights, mask, advantages by token.
void choose_columns(Batch* b, unsigned choice) {
  b->has_weights = choice % 2 == 0;
  b->has_mask = choice / 2 % 2 == 0;
  b->has_token_advantages = choice / 4 % 4 == 3;
  if (b->has_mask) poison_masked(b);
}

void give_pairs(Batch* b, unsigned seed) {
  std::mt19937 random(seed);
  const unsigned count = static_cast<unsigned>(b->lengths.size());
  b->has_pairs = true;
  for (int k = 0; k < 60; ++k) {
    const unsigned chosen = random() % count, other = (chosen + 1 + random() % (count - 1)) % count;
    b->pairs.push_back(chosen);
    b->pairs.push_back(other);
  }
}

void test_family(lap_cuda_context* ctx, lap_context* cpu) {
  unsigned seed = 100;
  int refused = 0;
  const auto compare = [&](const std::string& name, const lap_objective& objective) {
    ++seed;
    Batch b = random_batch(kLengths, seed);
    choose_columns(&b, seed);
    if (seed % 3 == 0) give_pairs(&b, seed);
    const LossResult expected = on_cpu(cpu, b, objective);
    refused += expected.status != LAP_OK;
    check_same(OnDeviceBatch(ctx, b, objective, seed % 4).run(), expected, kBound,
               name + ", seed " + std::to_string(seed));
  };
  for (const auto& [name, objective] : named_objectives()) compare(name, objective);
  const int of_named = refused;
  for (unsigned k = 0; k < 300; ++k) compare("random " + std::to_string(k), random_objective(k));
  std::printf("refused alike: %d named, %d random\n", of_named, refused - of_named);
}

// BCPG-NSA and GRPO from their formulas, in double, without a line of the library.
void test_oracle(lap_cuda_context* ctx) {
  for (const bool grpo : {false, true}) {
    Batch b = random_batch(kLengths, 7);
    poison_masked(&b);
    lap_objective o{};
    o.struct_size = sizeof o;
    if (grpo) {
      o.gate = LAP_GATE_CLIP_SURROGATE;
      o.ratio_anchor = LAP_ANCHOR_OLD;
      o.clip_low = 0.2f, o.clip_high = 0.28f;
      o.kl = LAP_KL_K3, o.kl_anchor = LAP_ANCHOR_REF, o.kl_coefficient = 0.04f;
    } else {
      o.sequence_term = LAP_SEQUENCE_SQUARE;
      o.sequence_anchor = LAP_ANCHOR_REF;
      o.tau = 1e-3f;
    }
    const LossResult got = OnDeviceBatch(ctx, b, o, 1).run();
    double loss = 0, worst = 0;
    size_t begin = 0;
    for (size_t i = 0; i < b.lengths.size(); ++i) {
      const size_t end = begin + static_cast<size_t>(b.lengths[i]);
      const double a = b.advantages[i], n = b.seq_scale[i], tau = o.tau;
      double s = 0;
      for (size_t t = begin; t < end; ++t)
        if (b.mask[t]) s += double(b.logp[t]) - double(b.ref_logp[t]);
      if (!grpo) loss += n * tau / 2 * s * s;
      for (size_t t = begin; t < end; ++t) {
        double g = 0;
        const double w = b.token_weights[t];
        if (b.mask[t] && !grpo) {
          g = n * (tau * s - w * a);
          loss -= n * w * a * b.logp[t];
        } else if (b.mask[t]) {
          const double r = double(b.logp[t]) - b.old_logp[t], d = double(b.logp[t]) - b.ref_logp[t];
          const double rho = std::exp(std::min(20., std::max(-20., r)));
          const double low = 1 - double(o.clip_low), high = 1 + double(o.clip_high);
          const double cut = std::min(high, std::max(low, rho)), coefficient = o.kl_coefficient;
          const bool is_cut = rho * a > cut * a || std::fabs(r) > 20;
          if (w * a != 0) {
            loss -= n * w * std::min(rho * a, cut * a);
            g -= n * (is_cut ? 0 : w * a * rho);
          }
          loss += n * coefficient * (std::exp(-d) + d - 1);
          g += n * coefficient * (1 - std::exp(-d));
        }
        worst = std::max(worst, std::fabs(got.g[t] - g) / (1e-3 + std::fabs(g)));
      }
      if (!grpo) check(is_near(got.stats[i].log_ratio_sum, s, 1e-13), "S of the oracle");
      begin = end;
    }
    const std::string name = grpo ? "GRPO" : "BCPG-NSA";
    check(worst <= 1e-6, name + ": g is off by " + std::to_string(worst));
    check(is_near(got.diagnostics[LAP_DIAG_LOSS], loss, 1e-6),
          name + ": loss " + std::to_string(got.diagnostics[LAP_DIAG_LOSS]) + " for " + std::to_string(loss));
  }
}

// Those whose kernels differ: f32 and f64, with and without a sum over the sequence, pairs given or not.
std::vector<lap_objective> few_objectives() {
  lap_objective bcpg = plain_objective();
  bcpg.sequence_term = LAP_SEQUENCE_SQUARE;
  bcpg.sequence_anchor = LAP_ANCHOR_REF;
  lap_objective grpo = plain_objective();
  grpo.gate = LAP_GATE_CLIP_SURROGATE;
  grpo.ratio_anchor = LAP_ANCHOR_OLD;
  grpo.kl = LAP_KL_K3;
  grpo.kl_anchor = LAP_ANCHOR_REF;
  lap_objective gspo = grpo;
  gspo.ratio_level = LAP_LEVEL_SEQUENCE_MEAN;
  gspo.importance = LAP_IMPORTANCE_POLICY;
  gspo.sequence_mask = 0.01f;
  lap_objective dpo = plain_objective();
  dpo.gate = LAP_GATE_NONE;
  dpo.sequence_term = LAP_SEQUENCE_LOGISTIC_PAIR;
  dpo.sequence_anchor = LAP_ANCHOR_REF;
  lap_objective nft = plain_objective();
  nft.gate = LAP_GATE_NFT;
  nft.ratio_anchor = LAP_ANCHOR_OLD;
  nft.importance = LAP_IMPORTANCE_OLD;
  return {bcpg, grpo, gspo, dpo, nft};
}

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

void test_sizes(lap_cuda_context* ctx, lap_context* cpu) {
  std::vector<int64_t> many, empty(7, 0);
  for (int i = 0; i < 3000; ++i) many.push_back(i * 7919 % 23);
  const std::vector<std::vector<int64_t>> shapes{{}, empty, many, {200000}, {0, 70001, 0, 1}};
  for (size_t k = 0; k < shapes.size(); ++k) {
    for (size_t o = 0; o < 3; ++o) {
      Batch b = random_batch(shapes[k], 40);
      const lap_objective objective = few_objectives()[o];
      check_same(OnDeviceBatch(ctx, b, objective).run(), on_cpu(cpu, b, objective), 1e-6,
                 "shape " + std::to_string(k) + " objective " + std::to_string(o));
    }
  }
  Batch masked = random_batch({100, 0, 900}, 4);
  masked.mask.assign(masked.mask.size(), 0);
  poison_masked(&masked);
  masked.seq_scale = {INFINITY, 1, INFINITY};
  for (const lap_objective& objective : {few_objectives()[0], few_objectives()[2]}) {
    const LossResult out = OnDeviceBatch(ctx, masked, objective).run();
    bool zero = true;
    for (const float g : out.g) zero = zero && g == 0;
    for (const double d : out.diagnostics) zero = zero && d == 0;
    check(zero, "a batch without a kept token gives 0 and nothing else");
  }
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
  lap_context_options options{};
  options.struct_size = sizeof options;
  options.threads = 1;
  lap_context* cpu = nullptr;
  if (lap_context_create(&options, &cpu) != LAP_OK) return 1;
  test_family(ctx, cpu);
  test_oracle(ctx);
  test_layouts(ctx);
  test_packing(ctx);
  test_same_policy(ctx);
  test_sizes(ctx, cpu);
  test_bad_offsets(ctx);
  test_bad_contents(ctx);
  test_unused(ctx);
  test_errors(ctx);
  lap_context_destroy(cpu);
  lap_cuda_context_destroy(ctx);
  return finish();
}

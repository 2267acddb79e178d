// The policy loss of the CUDA half: against the CPU's map in double for the whole objective family and for
// odd sizes, and against sums written here for two of them.
#include "cuda_policy_loss_fixture.h"
#include "cuda_policy_loss_objectives.h"

namespace {

using namespace cuda_test;

// Rounding of an f32 g, and of the terms where a map in f32 is used.
constexpr double kBound = 1e-6;

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

// Log-probs that are no numbers, of tokens that count: as the CPU takes them in double, or in f32 where it
// does.
void test_specials(lap_cuda_context* ctx, lap_context* cpu) {
  const float specials[] = {NAN, INFINITY, -INFINITY, 0.f, -0.f, -200.f, 1e30f, -3e38f, -1e-40f};
  unsigned seed = 900;
  for (const auto& [name, objective] : named_objectives()) {
    Batch b = random_batch({40, 30, 600}, ++seed);
    choose_columns(&b, seed);
    b.has_mask = false;
    b.mask.assign(b.mask.size(), 1);
    for (auto* column : {&b.logp, &b.old_logp, &b.behaviour_logp, &b.ref_logp})
      for (size_t t = seed % 7; t < column->size(); t += 1 + seed * 31 % 89) (*column)[t] = specials[t % 9];
    // Sequences of what is a number, so that not all is NaN.
    const Batch plain = random_batch({40, 30, 600}, seed);
    if (seed % 2 == 0)
      for (size_t t = 0; t < 70; ++t) b.logp[t] = plain.logp[t], b.old_logp[t] = plain.old_logp[t];
    const LossResult in_lanes = on_cpu(cpu, b, objective, false);
    check_same(OnDeviceBatch(ctx, b, objective).run(), on_cpu(cpu, b, objective), kBound,
               "specials, " + name + ", seed " + std::to_string(seed), &in_lanes);
  }
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
  // More tiles than warps: each has several.
  std::vector<int64_t> crowd;
  for (int i = 0; i < 17000; ++i) crowd.push_back(i % 3);
  for (const size_t o : {0u, 2u}) {
    const Batch b = random_batch(crowd, 41);
    check_same(OnDeviceBatch(ctx, b, few_objectives()[o]).run(), on_cpu(cpu, b, few_objectives()[o]), 1e-6,
               "a crowd of sequences, objective " + std::to_string(o));
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

}  // namespace

int main() {
  lap_cuda_context* ctx = open_context();
  lap_context* cpu = open_cpu();
  test_family(ctx, cpu);
  test_specials(ctx, cpu);
  test_oracle(ctx);
  test_sizes(ctx, cpu);
  lap_context_destroy(cpu);
  lap_cuda_context_destroy(ctx);
  return finish();
}

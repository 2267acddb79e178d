/* The C ABI from plain C: one loss and its gradient, and the errors a C caller meets. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lapidary.h"

static int passed = 0, failed = 0;

static void check(int ok, const char* what) {
  printf("%s %s\n", ok ? "ok  " : "FAIL", what);
  if (ok) {
    ++passed;
  } else {
    ++failed;
  }
}

static void log_probs(lap_context* ctx) {
  const float logits[6] = {1, 2, 3, 4, 5, 6};
  const int32_t targets[2] = {0, 2};
  float logp[2], lse[2], entropy[2];
  lap_token_logprobs_args args;
  memset(&args, 0, sizeof args);
  args.struct_size = sizeof args;
  args.logits = logits;
  args.dtype = LAP_F32;
  args.rows = 2;
  args.vocab = args.row_stride = 3;
  args.targets = targets;
  args.ignore_index = -100;
  args.transform.temperature = 1;
  args.logp = logp;
  args.lse = lse;
  args.entropy = entropy;
  check(lap_token_logprobs(ctx, &args) == LAP_OK, "token log-probs");
  check(fabs(logp[0] - (1 - log(exp(1) + exp(2) + exp(3)))) < 1e-6, "of the first row");
  check(fabs(logp[1] - (6 - log(exp(4) + exp(5) + exp(6)))) < 1e-6, "of the second row");
  check(strcmp(lap_error_message(ctx), "") == 0, "no message after a success");
  args.vocab = 2;
  args.logp = NULL;
  check(lap_token_logprobs(ctx, &args) == LAP_INVALID_ARGUMENT, "a target out of range is refused");
  check(strstr(lap_error_message(ctx), "targets[1] is 2") != NULL, "and named");
  args.struct_size = 8;
  check(lap_token_logprobs(ctx, &args) == LAP_INVALID_ARGUMENT, "a struct of another size is refused");
}

static void policy_loss(lap_context* ctx) {
  const int64_t cu_seqlens[2] = {0, 3};
  const float logp[3] = {-1, -2, -3}, ref[3] = {-1.5f, -2, -4}, weights[3] = {1, 0.5f, 1};
  const float advantage = -0.5f, scale = 1.0f / 3, spoilt[3] = {-0.5f, (float)NAN, -0.5f};
  lap_sequence_stats stats;
  float dlogp[3];
  double diagnostics[LAP_DIAG_COUNT];
  lap_policy_loss_args args;
  int t;
  memset(&args, 0, sizeof args);
  args.struct_size = sizeof args;
  args.objective.struct_size = sizeof args.objective;
  args.objective.sequence_term = LAP_SEQUENCE_SQUARE;
  args.objective.sequence_anchor = LAP_ANCHOR_REF;
  args.objective.tau = 0.1f;
  args.tokens = 3;
  args.sequences = 1;
  args.cu_seqlens = cu_seqlens;
  args.logp = logp;
  args.ref_logp = ref;
  args.advantages = &advantage;
  args.token_weights = weights;
  args.seq_scale = &scale;
  args.stats = &stats;
  args.dlogp = dlogp;
  args.diagnostics = diagnostics;
  check(lap_policy_loss_workspace(ctx, &args, &args.workspace_bytes) == LAP_OK, "workspace query");
  args.workspace = malloc(args.workspace_bytes);
  check(lap_policy_loss(ctx, &args) == LAP_OK, "policy loss");
  check(stats.log_ratio_sum == 1.5 && stats.kept == 3, "S and the kept tokens");
  for (t = 0; t < 3; ++t) {
    check(fabs(dlogp[t] - scale * (0.5 * weights[t] + 0.1 * 1.5)) < 1e-7, "g = N (tau S - w A)");
  }
  args.token_advantages = spoilt;
  args.objective.ratio_level = LAP_LEVEL_GEOMETRIC;
  check(lap_policy_loss(ctx, &args) == LAP_OK && dlogp[1] != dlogp[1] && dlogp[0] == dlogp[0],
        "a gate without ratio ignores its level, even beside NaN");
  args.token_advantages = NULL;
  args.objective.ratio_level = LAP_LEVEL_TOKEN;
  args.ref_logp = NULL;
  check(lap_policy_loss(ctx, &args) == LAP_INVALID_ARGUMENT, "a missing anchor is refused");
  check(strstr(lap_error_message(ctx), "ref_logp") != NULL, "and named");
  free(args.workspace);
}

/* Every implementation in the library is run where this CPU has it, and refused where not. */
static int each_implementation(void) {
  int supported = 0, first = 1;
  int32_t index;
  const char* name;
  for (index = 0; (name = lap_implementation_name(index)) != NULL; ++index) {
    lap_context* ctx = NULL;
    lap_context_options options;
    const int runs = lap_implementation_supported(index);
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.implementation = name;
    options.threads = 2;
    printf("-- %s: %s\n", name, runs ? "supported" : "not supported");
    check((lap_context_create(&options, &ctx) == LAP_OK) == runs,
          "a context where it is supported, and only there");
    if (!runs) continue;
    ++supported;
    check(strcmp(lap_context_implementation(ctx), name) == 0 && lap_context_threads(ctx) == 2,
          "as asked for");
    log_probs(ctx);
    policy_loss(ctx);
    lap_context_destroy(ctx);
    if (!first) continue;
    first = 0;
    options.implementation = NULL;
    check(lap_context_create(&options, &ctx) == LAP_OK, "a context of the best");
    check(strcmp(lap_context_implementation(ctx), name) == 0, "which is the first supported");
    lap_context_destroy(ctx);
  }
  check(index > 0 && strcmp(lap_implementation_name(index - 1), "portable") == 0, "the last is portable");
  check(lap_implementation_supported(index - 1) == 1, "and always supported");
  check(lap_implementation_supported(index) == 0 && lap_implementation_supported(-1) == 0,
        "none past the ends");
  check(lap_implementation_name(-1) == NULL, "nor a name");
  return supported;
}

int main(void) {
  lap_context* ctx = NULL;
  lap_context_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.implementation = "no such CPU";
  check(lap_abi_version() == LAP_ABI_VERSION, "the library is of the headers' ABI version");
  check(lap_context_create(&options, &ctx) == LAP_INVALID_ARGUMENT && ctx == NULL,
        "an unknown implementation");
  check(each_implementation() > 0, "at least one runs here");
  printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}

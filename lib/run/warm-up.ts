import { objectives } from '../kernels/objectives.ts';
import type { Policy } from '../policy/policy.ts';
import type { Example } from '../train/examples.ts';
import { train } from '../train/train.ts';
import type { RunConfig } from './config.ts';
import type { Progress } from './progress.ts';
import { seedOf } from './seeds.ts';

export interface WarmUpOptions {
  config: RunConfig;
  policy: Policy;
  /** With advantage 1 and weights 1. */
  examples: readonly Example[];
  progress: Progress;
  signal?: AbortSignal;
}

/** Maximum likelihood on worked-out responses: the policy that everything after starts from. */
export async function warmUp({ config, policy, examples, progress, signal }: WarmUpOptions): Promise<void> {
  const { updates, responses_per_update: responsesPerUpdate, lr } = config.warmup;
  const result = await train({
    ...{ policy, examples, objective: objectives.rft(), updates, responsesPerUpdate, lr },
    ...{ schedule: 'cosine' as const, warmupUpdates: Math.min(50, Math.ceil(updates / 20)) },
    seed: seedOf(config, 'warmup'),
    onUpdate: ({ update, positiveLogp, positiveTokens }) =>
      progress.status(
        `warm-up: update ${update} of ${updates}, logp ${(positiveLogp / positiveTokens).toFixed(3)}`,
      ),
    ...(signal ? { signal } : {}),
  });
  const rate = Math.round(result.tokens / result.seconds);
  const logp = result.last!.positiveLogp / result.last!.positiveTokens;
  progress.line(
    `warm-up   ${updates} updates, ${result.tokens} tokens in ${result.seconds.toFixed(1)} s ` +
      `(${rate} tokens/s), mean log-prob ${logp.toFixed(3)}`,
  );
}

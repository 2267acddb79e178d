import { bootstrapMean, type Interval, pairedDifference } from '../evaluate/interval.ts';
import type { RunConfig } from './config.ts';
import type { Progress } from './progress.ts';
import type { BaseEvaluation, MethodResult } from './run-method.ts';
import { formatTable } from './table.ts';

export interface MethodsReport {
  config: RunConfig;
  base: BaseEvaluation;
  results: readonly MethodResult[];
  progress: Progress;
}

const fixed = (value: number) => value.toFixed(3);
const signed = (value: number) => (value >= 0 ? '+' : '') + value.toFixed(3);
const interval = ({ mean, low, high }: Interval) => `${fixed(mean)} [${fixed(low)}, ${fixed(high)}]`;
const difference = ({ mean, low, high }: Interval) => `${signed(mean)} [${signed(low)}, ${signed(high)}]`;

/** How log-probs moved, and pass@1 where there is something to evaluate on. */
export function reportMethods(report: MethodsReport): void {
  reportMovement(report);
  if (report.base.evaluation !== null) reportEvaluation(report);
}

function reportMovement({ results, progress }: MethodsReport): void {
  const rows = results.flatMap(({ method, trainSeed, movement }) =>
    Object.entries(movement)
      .filter(([, { tokens }]) => tokens > 0)
      .map(([kind, { tokens, before, after }]) => [
        `${method}${results.some((other) => other.trainSeed !== trainSeed) ? ` (seed ${trainSeed})` : ''}`,
        kind,
        String(tokens),
        fixed(before),
        fixed(after),
        signed(after - before),
      ]),
  );
  progress.line('\nMean log-prob per token, before and after training:');
  progress.line(formatTable(['method', 'tokens that are', 'count', 'before', 'after', 'moved'], rows));
}

/** Per prompt, the mean over the training seeds: prompts are what the interval is over. */
function meanPerPrompt(results: readonly MethodResult[], pick: 'evaluation' | 'greedy'): number[] {
  const lists = results.map((result) => result[pick]!.perPrompt);
  return lists[0]!.map((_, i) => lists.reduce((sum, list) => sum + list[i]!, 0) / lists.length);
}

function reportEvaluation({ config, base, results, progress }: MethodsReport): void {
  const { prompts, samples_per_prompt: samples } = config.evaluate!;
  const byMethod = config.methods.map((method) => results.filter((result) => result.method === method.name));
  const basePrompts = base.evaluation!.perPrompt;
  const rows = byMethod.map((own) => {
    const perPrompt = meanPerPrompt(own, 'evaluation');
    return [
      own[0]!.method,
      interval(bootstrapMean(perPrompt)),
      difference(pairedDifference(basePrompts, perPrompt)),
      fixed(bootstrapMean(meanPerPrompt(own, 'greedy')).mean),
      seedSpread(own),
    ];
  });
  progress.line(
    `\npass@1 on ${prompts} held-out prompts (${samples} samples each), 95 % interval over prompts, ` +
      `${config.train_seeds.length} training seed(s):`,
  );
  const start = ['base', interval(base.evaluation!.passAt1), '', fixed(base.greedy!.passAt1.mean), ''];
  progress.line(formatTable(['method', 'pass@1', 'gain over base', 'greedy', 'per seed'], [start, ...rows]));
  for (const line of comparisons(byMethod)) progress.line(line);
}

function seedSpread(own: readonly MethodResult[]): string {
  return own.length === 1 ? '' : own.map((result) => fixed(result.evaluation!.passAt1.mean)).join(' ');
}

/** Every method against each one before it, paired by prompt; an interval across 0 decides nothing. */
function comparisons(byMethod: readonly (readonly MethodResult[])[]): string[] {
  return byMethod.flatMap((own, i) =>
    byMethod.slice(0, i).map((other) => {
      const gap = pairedDifference(meanPerPrompt(other, 'evaluation'), meanPerPrompt(own, 'evaluation'));
      const verdict = gap.low > 0 ? 'above' : gap.high < 0 ? 'below' : 'inconclusive against';
      return `${own[0]!.method} is ${verdict} ${other[0]!.method}: ${difference(gap)}`;
    }),
  );
}

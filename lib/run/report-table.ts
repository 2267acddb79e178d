import { clusteredMean, type Interval, pairedDifference, standing } from '../evaluate/interval.ts';
import type { Method, RunConfig } from './config.ts';
import { iterationsOf, type SeedOutcome } from './pipeline.ts';
import type { RunScores, Scores } from './scores.ts';
import { formatTable } from './table.ts';

const fixed = (value: number) => value.toFixed(3);
const signed = (value: number) => (value >= 0 ? '+' : '') + value.toFixed(3);

/** "0.510 [0.480, 0.540]" */
export function intervalText({ mean, low, high }: Interval): string {
  return `${fixed(mean)} [${fixed(low)}, ${fixed(high)}]`;
}

/** "+0.020 [+0.009, +0.031] above" */
export function differenceText(gap: Interval): string {
  return `${signed(gap.mean)} [${signed(gap.low)}, ${signed(gap.high)}] ${standing(gap)}`;
}

/** One line per method of a table and, under several iterations, one per iteration. */
export async function methodTable(
  title: string,
  scores: RunScores,
  seeds: readonly SeedOutcome[],
  config: RunConfig,
): Promise<string[]> {
  const { samples_per_prompt: samples, k: ks } = config.evaluate!;
  const extra = ks.filter((k) => k > 1 && k <= samples);
  const rivals = config.evaluate!.against ?? [config.methods[0]!.name];
  const length = await meanLength(seeds);
  const methods = config.methods.filter((method) => method.table === title);
  const header = [
    ...['method', 'tau', 'tau n', `avg@${samples}`, 'greedy', ...extra.map((k) => `pass@${k}`)],
    ...rivals.map((name) => `minus ${name}`),
    ...(seeds.length > 1 ? ['per seed'] : []),
  ];
  const rows = [row('base', scores.base, [], null)];
  for (const method of methods) {
    for (let iteration = 0; iteration < iterationsOf(method, config); iteration++) {
      const own = scores.of(method.name, iteration);
      if (own === null) continue;
      const name = iteration === 0 ? method.name : `${method.name}, iteration ${iteration + 1}`;
      const others = rivals.map((rival) => (rival === method.name ? null : scores.of(rival, iteration)));
      rows.push(row(name, own, others, method));
    }
  }
  return [formatTable(header, rows)];

  function row(
    name: string,
    own: Scores,
    others: readonly (Scores | null)[],
    method: Method | null,
  ): string[] {
    const tau = typeof method?.tau === 'number' ? method.tau : null;
    return [
      ...[name, tau === null ? '' : String(tau), tau === null ? '' : (tau * length).toFixed(1)],
      ...[intervalText(clusteredMean(own.sampled)), fixed(clusteredMean(own.greedy).mean)],
      ...extra.map((k) => fixed(clusteredMean(own.passAtK(k)).mean)),
      ...rivals.map((_, i) => {
        const other = others[i];
        return other == null ? '' : differenceText(pairedDifference(other.sampled, own.sampled));
      }),
      ...(seeds.length > 1 ? [own.sampled.map(mean).map(fixed).join(' ')] : []),
    ];
  }
}

/** Mean tokens of a response: tau times it is the scale of the constraint, whatever the length of the answers. */
async function meanLength(seeds: readonly SeedOutcome[]): Promise<number> {
  const { rollouts } = await seeds[0]!.prepared.verified.value();
  return mean(rollouts.map((rollout) => rollout.response_ids?.length ?? 0));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

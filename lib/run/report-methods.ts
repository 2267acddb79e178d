import type { SeedOutcome } from './pipeline.ts';
import { annotationTable } from './report-annotation.ts';
import { methodTable } from './report-table.ts';
import { scoresOf } from './scores.ts';
import type { Counts } from './stage.ts';
import type { StageContext } from './stages/context.ts';
import { formatTable } from './table.ts';

const fixed = (value: number) => value.toFixed(3);
const signed = (value: number) => (value >= 0 ? '+' : '') + value.toFixed(3);

/** How log-probs moved in training, and, where there is something to evaluate on, the methods side by side. */
export async function reportMethods(seeds: readonly SeedOutcome[], context: StageContext): Promise<void> {
  if (seeds[0]?.base == null) return;
  reportFit(seeds[0], context);
  reportMovement(seeds, context);
  if (seeds[0].base.evals === null) return;
  const { config, progress } = context;
  const scores = await scoresOf(seeds, config);
  const over =
    seeds.length === 1
      ? 'one seed: the 95 % intervals are over prompts and say nothing of other seeds'
      : `${seeds.length} seeds; 95 % intervals clustered by seed and by prompt`;
  const { prompts, samples_per_prompt: samples } = config.evaluate!;
  progress.line(`\nEvaluated on ${prompts} held-out prompts x ${samples} samples, ${over}.`);
  for (const table of [...new Set(config.methods.map((method) => method.table))]) {
    progress.line(`\n${table}`);
    for (const line of await methodTable(table, scores, seeds, config)) progress.line(line);
  }
  for (const line of annotationTable(seeds, config)) progress.line(line);
}

/** A small policy may not hold what real models wrote; how much of it is trained on is said, not hidden. */
function reportFit({ methods }: SeedOutcome, { config, progress }: StageContext): void {
  const fit = methods[0]?.policy?.record?.counts.fit as Record<string, number> | undefined;
  if (fit === undefined || fit.cut === 0) return;
  const {
    responses,
    cut,
    tokens,
    tokens_kept: kept,
  } = fit as Record<'responses' | 'cut' | 'tokens' | 'tokens_kept', number>;
  progress.line(
    `fit       ${cut} of ${responses} responses cut to the policy's ${config.policy!.max_context} tokens; ` +
      `${kept} of ${tokens} tokens (${((100 * kept) / tokens).toFixed(0)} %) are trained on`,
  );
}

function reportMovement(seeds: readonly SeedOutcome[], { progress }: StageContext): void {
  const rows = seeds[0]!.methods.flatMap(({ method, iteration, policy }) => {
    const movement = (policy?.record?.counts.movement ?? {}) as Record<string, Counts>;
    return Object.entries(movement)
      .filter(([, own]) => (own.tokens as number) > 0)
      .map(([kind, own]) => {
        const [before, after] = [own.before as number, own.after as number];
        const name = iteration === 0 ? method : `${method}, iteration ${iteration + 1}`;
        return [name, kind, String(own.tokens), fixed(before), fixed(after), signed(after - before)];
      });
  });
  const which = seeds.length > 1 ? `, seed ${seeds[0]!.seed}` : '';
  progress.line(`\nMean log-prob per token, before and after training${which}:`);
  progress.line(formatTable(['method', 'tokens that are', 'count', 'before', 'after', 'moved'], rows));
}

import type { EvalRow, Step, TrainRow } from '../data/records.ts';
import type { Policy } from '../policy/policy.ts';
import type { Method, RunConfig } from './config.ts';
import type { Handle } from './stage.ts';
import { type Place, placeName, type StageContext } from './stages/context.ts';
import { evaluateStage } from './stages/evaluate.ts';
import { importStage, type RolloutTables, type Source } from './stages/import.ts';
import { type Judged, judgeStage } from './stages/judge.ts';
import { labelStage, type Prepared } from './stages/label.ts';
import { warmUpStage } from './stages/policy.ts';
import { sampleStage } from './stages/sample.ts';
import { segmentStage } from './stages/segment.ts';
import { trainStage } from './stages/train.ts';
import { verifyStage } from './stages/verify.ts';

/** The stages in their order; a run may end after any of them. */
export const STAGES = ['verify', 'segment', 'judge', 'label', 'train', 'evaluate'] as const;
export type StageName = (typeof STAGES)[number];

/** One method on one seed in one iteration. */
export interface MethodOutcome extends Place {
  method: string;
  rows: Handle<TrainRow[]>;
  policy: Handle<Policy> | null;
  evals: Handle<EvalRow[]> | null;
}

export interface SeedOutcome {
  seed: number;
  /** The rollouts of iteration 0, which all methods share. */
  prepared: Prepared;
  base: { policy: Handle<Policy>; evals: Handle<EvalRow[]> | null } | null;
  methods: MethodOutcome[];
}

export interface PipelineOptions {
  context: StageContext;
  until: StageName;
  source: Source | null;
  /** Called before each seed but the first, with the seconds of the one before; false ends the run there. */
  goOn?: (seconds: number) => boolean;
  onSeed?: (outcome: SeedOutcome) => Promise<void>;
}

/** Orders the stages; running, skipping or only planning them is the runner's business. */
export async function pipeline(options: PipelineOptions): Promise<SeedOutcome[]> {
  const { config } = options.context;
  const outcomes: SeedOutcome[] = [];
  // Common to all seeds, and not part of the time of the first.
  if (config.data.source === 'chains') await warmUpStage(options.context, null);
  let seconds = 0;
  for (const seed of config.seeds) {
    if (outcomes.length > 0 && options.goOn?.(seconds) === false) break;
    const started = performance.now();
    const outcome = await seedPipeline(options, seed);
    outcomes.push(outcome);
    seconds = (performance.now() - started) / 1000;
    await options.onSeed?.(outcome);
  }
  return outcomes;
}

const reaches = (until: StageName, stage: StageName) => STAGES.indexOf(until) >= STAGES.indexOf(stage);

async function seedPipeline({ context, until, source }: PipelineOptions, seed: number): Promise<SeedOutcome> {
  const { config } = context;
  const place = { seed, iteration: 0 };
  const generated = config.data.source === 'chains';
  const sampler = generated ? await warmUpStage(context, null) : null;
  const prepared = await prepare(context, until, place, sampler, source, '');
  const outcome: SeedOutcome = { seed, prepared, base: null, methods: [] };
  if (!reaches(until, 'label')) return outcome;
  if (reaches(until, 'train')) {
    const policy = sampler ?? (await warmUpStage(context, prepared.verified));
    const evaluated = reaches(until, 'evaluate');
    outcome.base = {
      policy,
      evals: evaluated ? await evaluateStage(context, `base, seed ${seed}`, policy, seed) : null,
    };
  }
  for (const method of config.methods) {
    outcome.methods.push(...(await methodPipeline(context, until, method, seed, outcome)));
  }
  return outcome;
}

export function iterationsOf(method: Method, config: RunConfig): number {
  return method.iterations ?? config.iterations;
}

/** Label, train, evaluate; and once more from fresh rollouts of the trained policy, for every iteration. */
async function methodPipeline(
  context: StageContext,
  until: StageName,
  method: Method,
  seed: number,
  start: SeedOutcome,
): Promise<MethodOutcome[]> {
  const { config } = context;
  const out: MethodOutcome[] = [];
  let policy = start.base?.policy ?? null;
  for (let iteration = 0; iteration < iterationsOf(method, config); iteration++) {
    const place = { seed, iteration };
    const of = `, ${placeName(place)}`;
    const prepared =
      iteration === 0
        ? start.prepared
        : await prepare(context, until, place, policy, null, ` ${method.name}`);
    const rows = await labelStage(context, method, of, prepared);
    if (policy === null) return [{ ...place, method: method.name, rows, policy: null, evals: null }];
    const title = `train ${method.name}${of}`;
    const trained = await trainStage(
      context,
      method,
      { ...place, title },
      { rows, ...prepared, start: policy },
    );
    const evals = reaches(until, 'evaluate')
      ? await evaluateStage(context, `${method.name}${of}`, trained, seed)
      : null;
    out.push({ ...place, method: method.name, rows, policy: trained, evals });
    policy = trained;
  }
  return out;
}

const NO_STEPS: Handle<Step[]> = { title: 'none', result: null, record: null, value: async () => [] };

/** Rollouts up to their verdicts. Stored rollouts are the same for every seed. */
async function prepare(
  context: StageContext,
  until: StageName,
  place: Place,
  policy: Handle<Policy> | null,
  source: Source | null,
  of: string,
): Promise<Prepared> {
  const { config } = context;
  const { data } = config;
  const where = data.source === 'file' ? '' : `${of}, ${placeName(place)}`;
  let tables: Handle<RolloutTables>;
  if (data.source === 'file') tables = await importStage(context, data, source!);
  else tables = await sampleStage(context, data, place, policy!);
  const verified = await verifyStage(context, where, tables);
  const steps = reaches(until, 'segment') ? await segmentStage(context, where, verified) : NO_STEPS;
  const judged: Judged[] = [];
  if (reaches(until, 'judge')) {
    for (const judge of config.judges) {
      judged.push(await judgeStage(context, judge, where, { verified, steps, policy, judged }));
    }
  }
  return { verified, steps, judged };
}

import { LapidaryError } from '../errors.ts';
import { checkInteger, checkNumber } from '../kernels/check.ts';
import type { Objective } from '../kernels/objectives.ts';
import type { Policy } from '../policy/policy.ts';
import { BATCH_TOKENS, type Example } from './examples.ts';
import { type ObjectiveSpec, plainSpec } from './objective-spec.ts';
import { type PreferencePair, preferencePairs } from './preference-pairs.ts';
import type { Schedule, Unit, UpdateMetrics } from './update.ts';

export interface TrainOptions extends Schedule {
  policy: Policy;
  /**
   * With the log-probs that the objective anchors on. An objective of pairs makes them from these (`preferencePairs`)
   * with the training's seed, unless `pairs` are given.
   */
  examples?: readonly Example[];
  pairs?: readonly PreferencePair[];
  /** An objective of one's own (advantages as given, a mean over responses), or a spec of `objectiveSpec`. */
  objective: Objective | ObjectiveSpec;
  /** Responses, two for each pair. */
  responsesPerUpdate: number;
  weightDecay?: number;
  maxGradNorm?: number;
  /** Tokens that go through the policy at once; an update of more is accumulated. Results stay the same sums. */
  batchTokens?: number;
  seed: number;
  /**
   * Where the training's state is kept, written every `every` updates and after the last. If it is there, the
   * training goes on from it, whatever the weights of `policy`, and ends as if it had never stopped.
   */
  state?: { path: string; every: number };
  /** A JSON Lines file of an object per update, without wall-clock times. */
  metrics?: string;
  onUpdate?: (metrics: UpdateMetrics) => void;
  signal?: AbortSignal;
}

export type TrainingSettings = Required<Schedule> &
  Required<Pick<TrainOptions, 'responsesPerUpdate' | 'weightDecay' | 'maxGradNorm' | 'batchTokens' | 'seed'>>;

/** Options of a training that have been checked. */
export interface TrainingPlan {
  policy: Policy;
  spec: ObjectiveSpec;
  units: readonly Unit[];
  /** One per unit. */
  ids: readonly string[];
  settings: TrainingSettings;
  fixedLength: number;
  signal: AbortSignal | undefined;
}

/** @throws LapidaryError ERR_LAPIDARY_ARGUMENT for an option; ERR_LAPIDARY_DATA for what an example lacks */
export function trainingPlan(options: TrainOptions): TrainingPlan {
  const { policy, objective, signal } = options;
  const spec = 'aggregation' in objective ? objective : plainSpec(objective);
  const settings = checkedSettings(options);
  const units = unitsOf(options, spec);
  const size = spec.pairs ? 2 : 1;
  if (settings.responsesPerUpdate % size !== 0) {
    const problem = `expected an even number, since ${spec.name} trains on pairs; got ${settings.responsesPerUpdate}`;
    throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', `responsesPerUpdate: ${problem}`, {
      argument: 'responsesPerUpdate',
    });
  }
  for (const unit of units) for (const example of unit) checkExample(spec, example);
  const longest = units.flat().reduce((most, { responseIds }) => Math.max(most, responseIds.length), 1);
  return {
    ...{ policy, spec, units, settings, signal, fixedLength: spec.fixedLength ?? longest },
    ids: units.map((unit) => unit.map(({ rolloutId }) => rolloutId).join(' ')),
  };
}

function checkedSettings(options: TrainOptions): TrainingSettings {
  const { schedule = 'constant', warmupUpdates = 0, weightDecay = 0, maxGradNorm = 1 } = options;
  const count = (name: 'updates' | 'responsesPerUpdate') => checkInteger(name, options[name], 1, 2 ** 31);
  return {
    updates: count('updates'),
    responsesPerUpdate: count('responsesPerUpdate'),
    lr: checkNumber('lr', options.lr, 0, 1e3),
    ...{ schedule, weightDecay, maxGradNorm },
    warmupUpdates: checkInteger('warmupUpdates', warmupUpdates, 0, 2 ** 31),
    batchTokens: checkInteger('batchTokens', options.batchTokens ?? BATCH_TOKENS, 1, 2 ** 31),
    seed: checkInteger('seed', options.seed, 0, Number.MAX_SAFE_INTEGER),
  };
}

function unitsOf({ examples, pairs, seed }: TrainOptions, spec: ObjectiveSpec): Unit[] {
  if ((examples === undefined) === (pairs === undefined)) {
    throw wrong('ERR_LAPIDARY_ARGUMENT', 'examples', 'expected examples or pairs, one of them');
  }
  if (!spec.pairs) {
    if (examples === undefined) {
      throw wrong('ERR_LAPIDARY_ARGUMENT', 'pairs', `${spec.name} trains on single responses; give examples`);
    }
    if (examples.length > 0) return examples.map((example) => [example]);
    throw wrong('ERR_LAPIDARY_DATA', 'examples', 'nothing to train on (were all groups flat?)');
  }
  const made = pairs ?? preferencePairs(examples!, { seed });
  if (made.length === 0) {
    throw wrong('ERR_LAPIDARY_DATA', 'pairs', 'none to train on: no group has right and wrong responses');
  }
  // The loss of pairs reads no advantage; the signs sort the tokens of the diagnostics.
  return made.map(({ chosen, rejected }) => [
    { ...chosen, advantage: 1 },
    { ...rejected, advantage: -1 },
  ]);
}

function checkExample(spec: ObjectiveSpec, example: Example): void {
  const { rolloutId } = example;
  const lacks = (field: string, problem: string) =>
    wrong('ERR_LAPIDARY_DATA', field, problem, `rollout ${rolloutId}: `);
  const column = (field: string, values: ArrayLike<number> | null, length: number, why: string) => {
    if (values === null) throw lacks(field, `it is absent, and ${why}`);
    if (values.length !== length) throw lacks(field, `it has ${values.length} entries for ${length} tokens`);
    for (let t = 0; t < length; t++) {
      if (!Number.isFinite(values[t])) throw lacks(field, `entry ${t} is ${values[t]}`);
    }
  };
  const why = `${spec.name} reads it`;
  const length = example.responseIds.length;
  if (example.promptIds.length === 0) throw lacks('promptIds', 'it is empty');
  if (!Number.isFinite(example.advantage)) throw lacks('advantage', `it is ${example.advantage}`);
  column('tokenWeights', example.tokenWeights, length, why);
  const anchors = new Set(spec.anchors.map((anchor) => (anchor === 'old' ? spec.old : anchor)));
  if (anchors.has('ref')) column('refLogprobs', example.refLogprobs, length, why);
  if (anchors.has('behaviour')) column('behaviourLogprobs', example.behaviourLogprobs, length, why);
  const { quality, mismatched } = example;
  if (spec.quality && !(quality !== undefined && quality >= 0 && quality < 1)) {
    throw lacks('quality', `it is ${quality}; ${why} (examplesFor sets it)`);
  }
  if (!spec.estimateZ0) return;
  if (mismatched === undefined) {
    throw lacks('mismatched', `it is absent; ${why} (addMismatched sets it) unless z0 is given`);
  }
  column('mismatched.refLogprobs', mismatched.refLogprobs, mismatched.responseIds.length, why);
}

function wrong(
  code: 'ERR_LAPIDARY_ARGUMENT' | 'ERR_LAPIDARY_DATA',
  argument: string,
  problem: string,
  where = '',
): LapidaryError {
  return new LapidaryError(code, `${where}${argument}: ${problem}`, { argument });
}

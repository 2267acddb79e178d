import { createHash, type Hash } from 'node:crypto';
import { canonicalJson, contentId } from '../data/ids.ts';
import { LapidaryError } from '../errors.ts';
import type { Example } from './examples.ts';
import type { TrainingPlan } from './training-plan.ts';

/** What a training is of. A state of another one is not gone on with. */
export interface TrainingIdentity {
  objective: Record<string, unknown>;
  objectiveId: string;
  dataset: { units: number; responses: number; sha256: string };
  config: Record<string, unknown>;
  configId: string;
}

export function trainingIdentity(plan: TrainingPlan, metrics: boolean): TrainingIdentity {
  const { policy, spec, units, settings, fixedLength } = plan;
  // Through JSON, so that it compares with what a state file gives back.
  const objective = JSON.parse(canonicalJson({ ...spec, fixedLength })) as Record<string, unknown>;
  const config = JSON.parse(canonicalJson({ ...settings, policy: policy.config, metrics })) as Record<
    string,
    unknown
  >;
  const responses = units.reduce((sum, unit) => sum + unit.length, 0);
  return {
    ...{ objective, config, objectiveId: contentId(objective), configId: contentId(config) },
    dataset: { units: units.length, responses, sha256: datasetHash(plan) },
  };
}

/** SHA-256 of the ids and contents of the units in their order: all that the objective reads, as it reads it. */
function datasetHash({ units, ids, spec }: TrainingPlan): string {
  const hash = createHash('sha256');
  const anchors = new Set(spec.anchors.map((anchor) => (anchor === 'old' ? spec.old : anchor)));
  units.forEach((unit, i) => {
    const id = Buffer.from(ids[i]!);
    addInts(hash, [unit.length, id.length]);
    hash.update(id);
    for (const example of unit) {
      addInts(hash, example.promptIds);
      addInts(hash, example.responseIds);
      for (const column of columnsOf(example, anchors, spec.tokenWeights)) addFloats(hash, column);
      if (spec.aggregation === 'group-token-mean') hash.update(`${example.groupId ?? ''}\n`);
      if (spec.quality) addFloats(hash, [example.quality!]);
      if (!spec.estimateZ0) continue;
      addInts(hash, example.mismatched!.promptIds);
      addInts(hash, example.mismatched!.responseIds);
      addFloats(hash, example.mismatched!.refLogprobs);
    }
  });
  return hash.digest('hex');
}

function columnsOf(example: Example, anchors: ReadonlySet<string>, weights: boolean): ArrayLike<number>[] {
  return [
    [example.advantage],
    ...(weights ? [example.tokenWeights] : []),
    ...(anchors.has('ref') ? [example.refLogprobs!] : []),
    ...(anchors.has('behaviour') ? [example.behaviourLogprobs!] : []),
  ];
}

/** Each column with its length before it, so that no two data sets run into the same bytes. */
function addInts(hash: Hash, values: ArrayLike<number>): void {
  hash.update(Int32Array.of(values.length));
  hash.update(Int32Array.from(values));
}

function addFloats(hash: Hash, values: ArrayLike<number>): void {
  hash.update(Int32Array.of(values.length));
  hash.update(Float32Array.from(values));
}

/** @throws LapidaryError ERR_LAPIDARY_STATE naming all that differs */
export function checkIdentity(path: string, stored: TrainingIdentity, given: TrainingIdentity): void {
  const found: string[] = [];
  if (stored.dataset.sha256 !== given.dataset.sha256) {
    const [was, is] = [stored.dataset, given.dataset];
    found.push(
      `dataset: ${was.responses} responses, SHA-256 ${was.sha256.slice(0, 12)} in the state, ` +
        `${is.responses}, ${is.sha256.slice(0, 12)} given`,
    );
  }
  if (stored.objectiveId !== given.objectiveId) {
    found.push(...differences('objective', stored.objective, given.objective));
  }
  if (stored.configId !== given.configId) {
    found.push(...differences('config', stored.config, given.config));
  }
  if (found.length === 0) return;
  throw new LapidaryError(
    'ERR_LAPIDARY_STATE',
    `${path}: the state of another training: ${found.join('; ')}. Remove it to begin anew.`,
    { argument: 'state' },
  );
}

function differences(place: string, was: unknown, is: unknown): string[] {
  if (isObject(was) && isObject(is)) {
    const keys = [...new Set([...Object.keys(was), ...Object.keys(is)])].sort();
    return keys.flatMap((key) => differences(`${place}.${key}`, was[key], is[key]));
  }
  const [a, b] = [was, is].map((value) => JSON.stringify(value) ?? 'absent');
  return a === b ? [] : [`${place}: ${a} in the state, ${b} given`];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

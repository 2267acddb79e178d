import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { objectives } from '../../lib/kernels/objectives.ts';
import { savePolicy } from '../../lib/policy/checkpoint.ts';
import { Policy } from '../../lib/policy/policy.ts';
import type { Example } from '../../lib/train/examples.ts';
import { examplesFor } from '../../lib/train/examples-for.ts';
import { addMismatched } from '../../lib/train/kto-reference.ts';
import { objectiveSpec } from '../../lib/train/objective-spec.ts';
import { type TrainOptions, type TrainResult, train } from '../../lib/train/train.ts';
import { readTrainingState, writeTrainingState } from '../../lib/train/training-state.ts';
import { temporaryFolder } from '../data/temporary-folder.ts';
import { copyOf, problem, tinyPolicy, weighted, weightsOf } from './problem.ts';

const SEED = 60_117;
const place = temporaryFolder();
let start: Policy;
let examples: Example[];
beforeAll(async () => {
  start = tinyPolicy(SEED);
  examples = await addMismatched(start, await problem(start, SEED, 3), { seed: SEED });
});

type Settings = Omit<TrainOptions, 'policy'>;

function settings(objective: string, more: Partial<Settings> = {}): Settings {
  const spec = objectiveSpec(objective);
  const given = spec.tokenWeights ? weighted(examples, SEED) : examples;
  return {
    ...{ objective: spec, examples: examplesFor(spec, given), updates: 11, responsesPerUpdate: 14 },
    ...{ lr: 3e-3, schedule: 'cosine', warmupUpdates: 3, weightDecay: 0.1, batchTokens: 60, seed: SEED },
    ...more,
  };
}

interface Ending {
  weights: string;
  metrics: string;
  result: Omit<TrainResult, 'seconds' | 'resumedFrom'>;
}

const hashOf = (values: Float64Array) => createHash('sha256').update(values).digest('hex');

async function ending(policy: Policy, options: Settings): Promise<Ending & { resumedFrom: number }> {
  const { seconds: _, resumedFrom, ...result } = await train({ policy, ...options });
  result.last!.seconds = 0;
  const weights = hashOf(weightsOf(policy));
  return { weights, metrics: readFileSync(options.metrics!, 'utf8'), result, resumedFrom };
}

/** Runs until `stopAfter` updates were done, then aborts between or within updates. */
async function interrupted(options: Settings, stopAfter: number): Promise<void> {
  const abort = new AbortController();
  const onUpdate = ({ update }: { update: number }) => {
    if (update === stopAfter) abort.abort(new Error('stopped'));
  };
  const stopped = train({ policy: copyOf(start), ...options, onUpdate, signal: abort.signal });
  await expect(stopped).rejects.toThrow('stopped');
}

describe('stopped and gone on with', () => {
  it.each([
    ['bcpgNsa', 1, 1],
    ['bcpgNsa', 3, 7],
    ['bcpgNsa', 4, 2],
    ['grpo', 5, 10],
    ['dpo', 3, 7],
    ['kto', 4, 6],
    ['nft', 5, 5],
  ])(
    '%s, a state every %i updates, stopped after %i: the bits of an uninterrupted training',
    async (objective, every, stop) => {
      const name = `${objective}-${every}-${stop}`;
      const metrics = place(`${name}.whole.jsonl`);
      const whole = await ending(copyOf(start), settings(objective, { metrics }));
      const options = settings(objective, {
        state: { path: place(`${name}.state`), every },
        metrics: place(`${name}.jsonl`),
      });
      await interrupted(options, stop);
      // Where there is a state, the weights that it is given do not matter.
      const resumed = await ending(stop < every ? copyOf(start) : tinyPolicy(SEED + 1), options);
      expect(resumed.resumedFrom).toBe(stop - (stop % every));
      const { resumedFrom: _, ...rest } = resumed;
      expect(rest).toEqual({ weights: whole.weights, metrics: whole.metrics, result: whole.result });
      expect(whole.metrics.trim().split('\n')).toHaveLength(11);
    },
  );
});

it('goes on with another number of threads to the same bits', async () => {
  const metrics = place('threads.whole.jsonl');
  const whole = await ending(copyOf(start), settings('bcpgNsa', { metrics }));
  const state = { path: place('threads.state'), every: 2 };
  const options = settings('bcpgNsa', { state, metrics: place('threads.jsonl') });
  await interrupted(options, 5);
  const resumed = await ending(new Policy(start.config, { threads: 2 }), options);
  expect(resumed).toEqual({ ...whole, resumedFrom: 4 });
});

it('the step count of a policy is a count', () => {
  const policy = tinyPolicy(SEED);
  policy.stepCount = 7;
  expect(policy.stepCount).toBe(7);
  for (const wrong of [-1, 0.5, Number.NaN]) {
    expect(() => {
      policy.stepCount = wrong;
    }).toThrow(/stepCount/);
  }
});

describe('a finished training', () => {
  it('is not done again, and reports the work that was counted', async () => {
    const state = { path: place('finished.state'), every: 4 };
    const options = settings('bcpg', { state, metrics: place('finished.jsonl') });
    const first = await ending(copyOf(start), options);
    const again = await ending(copyOf(start), options);
    expect(again).toEqual({ ...first, resumedFrom: 11 });
    expect(again.result).toMatchObject({ updates: 11, responses: 11 * 14 });
  });

  it('without responses in its counts is refused, not a success', async () => {
    const state = { path: place('empty.state'), every: 4 };
    const options = settings('bcpg', { state });
    const policy = copyOf(start);
    await train({ policy, ...options });
    const { contents } = readTrainingState(state.path)!;
    await writeTrainingState(state.path, policy, { ...contents, responses: 0, tokens: 0 });
    await expect(train({ policy: copyOf(start), ...options })).rejects.toThrow(
      /11 updates and 0 responses; it cannot be gone on with/,
    );
  });

  it('whose place in the data is not where the seed leads is refused', async () => {
    const state = { path: place('cursor.state'), every: 4 };
    const options = settings('bcpg', { state });
    const policy = copyOf(start);
    await train({ policy, ...options });
    const { contents } = readTrainingState(state.path)!;
    const cursor = { ...contents.cursor, order: contents.cursor.order.replace(/./g, 'a') };
    await writeTrainingState(state.path, policy, { ...contents, cursor });
    await expect(train({ policy: copyOf(start), ...options })).rejects.toThrow(/place in the data/);
  });
});

describe('the state of another training is refused, naming what differs', () => {
  const state = () => ({ path: place('other.state'), every: 5 });
  const options = (more: Partial<Settings> = {}) => settings('bcpg', { state: state(), ...more });
  beforeAll(async () => {
    await train({ policy: copyOf(start), ...options() });
  });
  const edited = (edit: (example: Example) => Partial<Example>) => {
    const list = [...options().examples!];
    list[7] = { ...list[7]!, ...edit(list[7]!) };
    return { examples: list };
  };
  it.each([
    ['lr', () => ({ lr: 2e-3 }), /config\.lr: 0\.003 in the state, 0\.002 given/],
    ['seed', () => ({ seed: 1 }), /config\.seed/],
    ['updates', () => ({ updates: 12 }), /config\.updates: 11 in the state, 12 given/],
    ['batchTokens', () => ({ batchTokens: 61 }), /config\.batchTokens/],
    ['metrics', () => ({ metrics: place('late.jsonl') }), /config\.metrics: false in the state, true given/],
    [
      'tau',
      () => ({ objective: objectiveSpec('bcpg', { tau: 0.5 }) }),
      /objective\.objective\.sequenceTerm\.tau: 0\.001 in the state, 0\.5 given/,
    ],
    [
      'aggregation',
      () => ({ objective: objectiveSpec('bcpg', { aggregation: 'token-mean' }) }),
      /aggregation/,
    ],
    ['a token', () => edited((e) => ({ promptIds: [...Array.from(e.promptIds).slice(1), 3] })), /dataset/],
    ['an advantage', () => edited((e) => ({ advantage: e.advantage + 0.01 })), /dataset/],
    ['a weight', () => edited((e) => ({ tokenWeights: Array.from(e.tokenWeights, () => 0.5) })), /dataset/],
    [
      'a reference',
      () => edited((e) => ({ refLogprobs: Array.from(e.refLogprobs!, (x) => x - 1) })),
      /dataset/,
    ],
    ['an id', () => edited(() => ({ rolloutId: 'another' })), /dataset/],
    ['order', () => ({ examples: [...options().examples!].reverse() }), /dataset/],
    ['fewer', () => ({ examples: options().examples!.slice(1) }), /dataset: 30 responses.*29/],
  ] as [string, () => Partial<Settings>, RegExp][])('%s', async (_name, more, message) => {
    const policy = copyOf(start);
    const before = readFileSync(state().path);
    const refused = train({ policy, ...options(more()) });
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_STATE',
      message: expect.stringMatching(message),
    });
    expect(hashOf(weightsOf(policy))).toBe(hashOf(weightsOf(start)));
    expect(readFileSync(state().path).equals(before)).toBe(true);
  });

  it('a log-prob that the objective does not read may differ', async () => {
    const examples = edited(() => ({ behaviourLogprobs: null })).examples;
    const { resumedFrom } = await train({ policy: copyOf(start), ...options({ examples }) });
    expect(resumedFrom).toBe(11);
  });

  it('sizes of the policy', async () => {
    const policy = new Policy({ ...start.config, mlpWidth: 24 }, { threads: 1 });
    await expect(train({ policy, ...options() })).rejects.toThrow(
      /config\.policy\.mlpWidth: 20 in the state/,
    );
  });
});

describe('a damaged state is refused with its name', () => {
  const state = () => ({ path: place('damaged.state'), every: 5 });
  const attempt = () => train({ policy: copyOf(start), ...settings('bcpg', { state: state() }) });
  let bytes: Buffer;
  beforeAll(async () => {
    await attempt();
    bytes = readFileSync(state().path);
  });
  const refusal = {
    code: 'ERR_LAPIDARY_STATE',
    message: expect.stringMatching(/damaged\.state: cannot go on from this/),
  };

  it('torn at any place', async () => {
    for (const share of [0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.9999]) {
      writeFileSync(state().path, bytes.subarray(0, Math.floor(share * bytes.length)));
      await expect(attempt(), `${share}`).rejects.toMatchObject(refusal);
    }
  });

  it('one byte changed anywhere', async () => {
    for (let i = 0; i < 60; i++) {
      const at = Math.floor((i / 60) * bytes.length);
      const changed = Buffer.from(bytes);
      changed[at] = changed[at]! ^ 4;
      writeFileSync(state().path, changed);
      await expect(attempt(), `byte ${at}`).rejects.toMatchObject(refusal);
    }
  });

  it('of a later version, or no state at all', async () => {
    writeFileSync(state().path, bytes.toString('latin1').replace('"version\\":1', '"version\\":2'), 'latin1');
    await expect(attempt()).rejects.toThrow(/it has version 2; this package reads 1/);
    await savePolicy(start, state().path);
    await expect(attempt()).rejects.toThrow(/it is no state of a training/);
  });
});

describe('the metrics file', () => {
  const options = (name: string) =>
    settings('bcpg', { state: { path: place(`${name}.state`), every: 3 }, metrics: place(`${name}.jsonl`) });

  it('that lost lines which the state counts is refused', async () => {
    const given = options('short');
    await interrupted(given, 7);
    const size = statSync(given.metrics!).size;
    writeFileSync(given.metrics!, readFileSync(given.metrics!).subarray(0, Math.floor(size / 4)));
    await expect(train({ policy: copyOf(start), ...given })).rejects.toThrow(
      /short\.jsonl: it has \d+ bytes/,
    );
  });

  it('with other lines is refused', async () => {
    const given = options('changed');
    await interrupted(given, 7);
    writeFileSync(given.metrics!, readFileSync(given.metrics!, 'utf8').replace('"update":2', '"update":9'));
    await expect(train({ policy: copyOf(start), ...given })).rejects.toThrow(/are not those of the training/);
  });

  it('has one line per update in order, whatever was torn behind the state', async () => {
    const given = options('torn');
    await interrupted(given, 8);
    writeFileSync(given.metrics!, `${readFileSync(given.metrics!, 'utf8')}{"update":9,"l`);
    await train({ policy: copyOf(start), ...given });
    const rows = readFileSync(given.metrics!, 'utf8').trim().split('\n');
    expect(rows.map((row) => (JSON.parse(row) as { update: number }).update)).toEqual(
      Array.from({ length: 11 }, (_, i) => i + 1),
    );
    expect(rows.join()).not.toContain('seconds');
  });
});

describe('what must not pass for training', () => {
  it('responses without a token', async () => {
    const empty = examples.map((example) => ({
      ...example,
      ...{ advantage: 1, responseIds: [], tokenWeights: [], refLogprobs: [], behaviourLogprobs: [] },
    }));
    const options = settings('bcpg', { objective: objectives.reinforce(), examples: empty });
    await expect(train({ policy: copyOf(start), ...options })).rejects.toThrow(/its responses have no token/);
  });

  it('no example, no pair, an odd number of responses for pairs', async () => {
    const attempt = (objective: string, more: Partial<Settings>) =>
      train({ policy: copyOf(start), ...settings(objective, more) });
    await expect(attempt('bcpg', { examples: [] })).rejects.toThrow(/nothing to train on/);
    const right = examples.filter((example) => example.right);
    await expect(attempt('dpo', { examples: right })).rejects.toThrow(/no group has right and wrong/);
    await expect(attempt('dpo', { responsesPerUpdate: 3 })).rejects.toThrow(/expected an even number/);
    await expect(attempt('bcpg', { state: { path: place('x'), every: 0 } })).rejects.toThrow(/state\.every/);
  });

  it('a missing log-prob is named before anything is trained', async () => {
    const list = [...settings('topr').examples!];
    list[4] = { ...list[4]!, behaviourLogprobs: null };
    const attempt = train({ policy: copyOf(start), ...settings('topr', { examples: list }) });
    await expect(attempt).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_DATA',
      argument: 'behaviourLogprobs',
      message: expect.stringMatching(/rollout g0r4: behaviourLogprobs: it is absent, and topr reads it/),
    });
  });
});

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LapidaryError } from '../../lib/errors.ts';
import { objectives } from '../../lib/kernels/objectives.ts';
import { examplesFor } from '../../lib/train/examples-for.ts';
import type { ObjectiveOptions } from '../../lib/train/objective-options.ts';
import {
  OBJECTIVE_NAMES,
  objectiveOptionNames,
  objectiveSpec,
  plainSpec,
} from '../../lib/train/objective-spec.ts';
import { problem, tinyPolicy, weighted } from './problem.ts';

function refusal(name: string, options: ObjectiveOptions): LapidaryError {
  try {
    objectiveSpec(name, options);
  } catch (error) {
    expect(LapidaryError.isInstance(error), String(error)).toBe(true);
    return error as LapidaryError;
  }
  throw new Error(`${name} took ${JSON.stringify(options)}`);
}

describe('options of a configuration file', () => {
  it.each([
    ['bcpgNsa', { tau: 0.1 }, objectives.bcpgNsa({ tau: 0.1 })],
    ['pmd', {}, objectives.pmd({ anchor: 'ref' })],
    [
      'grpo',
      { clip_low: 0.1, clip_high: 0.3, dual_clip: 3, anchor: 'behaviour' },
      objectives.grpo({ clipLow: 0.1, clipHigh: 0.3, dualClip: 3, anchor: 'behaviour' }),
    ],
    [
      'grpo',
      { kl: 'k3', kl_coefficient: 0.04 },
      objectives.grpo({ anchor: 'ref', kl: { kind: 'k3', coefficient: 0.04, ratioAnchor: 'ref' } }),
    ],
    [
      'ppo',
      { importance_high: 2, importance_outside: 'drop' },
      objectives.ppo({
        anchor: 'ref',
        importance: { numerator: 'old', level: 'token', outside: 'drop', high: 2 },
      }),
    ],
    ['cispo', { bound_low: 0, bound_high: 5 }, objectives.cispo({ anchor: 'ref', bounds: [0, 5] })],
    ['vespo', { negative_power: 1, negative_rate: 2 }, objectives.vespo({ anchor: 'ref', negative: [1, 2] })],
    ['topr', { level: 'token' }, objectives.topr({ level: 'token' })],
    ['dpo', { preference_beta: 0.3, mean: true }, objectives.dpo({ beta: 0.3, mean: true })],
    ['simpo', { preference_beta: 3, margin: 1 }, objectives.simpo({ beta: 3, margin: 1 })],
    ['kto', { z0: 0.2, desirable: 2 }, objectives.kto({ z0: 0.2, desirable: 2 })],
  ] as [string, ObjectiveOptions, object][])('%s %j', (name, options, objective) => {
    expect(objectiveSpec(name, options).objective).toEqual(objective);
  });

  it('the trainer reads its own', () => {
    expect(objectiveSpec('grpo', { aggregation: 'token-mean', advantage: 'mean' })).toMatchObject({
      aggregation: 'token-mean',
      advantage: { kind: 'mean' },
    });
    expect(objectiveSpec('drGrpo', { fixed_length: 4096 }).fixedLength).toBe(4096);
    expect(objectiveSpec('wReinforce', { right_weight: 0.5 }).advantage).toEqual({
      ...{ kind: 'signed', positive: 0.5, negative: 1 },
    });
    expect(objectiveSpec('asymRe', { delta_v: -0.3 }).advantage).toEqual({ kind: 'asym-re', delta: -0.3 });
    expect(objectiveSpec('kto', { z0: 0 }).estimateZ0).toBe(false);
    expect(objectiveSpec('kto').estimateZ0).toBe(true);
  });

  it.each(OBJECTIVE_NAMES)('%s names its options where one is unknown', (name) => {
    const error = refusal(name, { clip_hihg: 0.3 });
    expect(error.code).toBe('ERR_LAPIDARY_CONFIG');
    expect(error.argument).toBe('clip_hihg');
    for (const known of objectiveOptionNames(name)) expect(error.message).toContain(known);
  });

  it.each([
    ['grpoo', {}, 'objective', /unknown name "grpoo"; expected one of bcpgNsa/],
    ['bcpg', { tau: 'much' }, 'tau', /expected a number, got "much"/],
    ['bcpg', { tau: -1 }, 'objective.sequenceTerm.tau', /from 0 to/],
    ['bcpg', { tau: Number.NaN }, 'objective.sequenceTerm.tau', /from 0 to/],
    ['grpo', { anchor: 'old' }, 'anchor', /expected ref, behaviour, got "old"/],
    ['grpo', { dual_clip: 0.5 }, 'objective.gate.dualClip', /from 1 to/],
    ['grpo', { kl_coefficient: 0.1 }, 'kl', /expected beside kl_coefficient/],
    ['grpo', { kl: 'k3' }, 'kl_coefficient', /expected beside kl/],
    ['cispo', { bound_high: 5 }, 'bound_low', /expected beside bound_high/],
    ['reinforce', { tau: 0.1 }, 'tau', /unknown/],
    ['dpo', { aggregation: 'token-mean' }, 'aggregation', /unknown/],
    ['drGrpo', { fixed_length: 0 }, 'fixed_length', /above 0/],
    ['wReinforce', { right_weight: -1 }, 'right_weight', /0 or more/],
    ['rft', { advantage: 'mean' }, 'advantage', /unknown/],
  ] as [string, ObjectiveOptions, string, RegExp][])(
    '%s %j is refused',
    (name, options, argument, message) => {
      const error = refusal(name, options);
      expect(error.code).toBe('ERR_LAPIDARY_CONFIG');
      expect(error.argument).toBe(argument);
      expect(error.message).toMatch(message);
    },
  );
});

describe('what an objective needs', () => {
  it('is said of each kind', () => {
    expect(objectiveSpec('bcpgNsa')).toMatchObject({ anchors: ['ref'], tokenWeights: true, pairs: false });
    expect(objectiveSpec('simpo')).toMatchObject({ anchors: [], tokenWeights: false, pairs: true });
    expect(objectiveSpec('decoupledPpo').anchors).toEqual(['old', 'behaviour', 'ref']);
    expect(objectiveSpec('grpo', { sequence_mask: 1 }).anchors).toEqual(['behaviour', 'ref']);
    expect(objectiveSpec('nft').quality).toBe(true);
    expect(objectiveSpec('rft').leaveOutZero).toBe(true);
    expect(objectiveSpec('bcpg').leaveOutZero).toBe(false);
    expect(plainSpec(objectives.dpo())).toMatchObject({ pairs: true, aggregation: 'pair-mean' });
  });

  it('examples without what a rule reads are refused by name', async () => {
    const [first, ...rest] = await problem(tinyPolicy(1), 1);
    const lacking = (field: string) => [{ ...first!, [field]: undefined } as never, ...rest];
    const attempt = (name: string, field: string) => () => examplesFor(objectiveSpec(name), lacking(field));
    expect(attempt('bcpg', 'reward')).toThrow(/rollout g0r0: reward/);
    expect(attempt('bcpg', 'groupId')).toThrow(/rollout g0r0: groupId/);
    expect(attempt('kto', 'right')).toThrow(/rollout g0r0: right/);
  });

  it('token weights that would not be read are refused', async () => {
    const examples = weighted(await problem(tinyPolicy(1), 1), 1);
    expect(() => examplesFor(objectiveSpec('dpo'), examples)).toThrow(/token weights other than 1/);
    expect(examplesFor(objectiveSpec('bcpgNsa'), examples)).toHaveLength(examples.length);
  });
});

describe('docs/train.md', () => {
  const docs = readFileSync('docs/train.md', 'utf8');
  const table = docs.slice(docs.indexOf('## Objectives by name'), docs.indexOf('- **clip**'));

  it('has every objective in its table once, and every option in its text', () => {
    const named = [...table.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)].flatMap(([, cell]) =>
      [...cell!.matchAll(/`(\w+)`/g)].map(([, name]) => name!),
    );
    expect(named.sort()).toEqual([...OBJECTIVE_NAMES].sort());
    const options = new Set(OBJECTIVE_NAMES.flatMap(objectiveOptionNames));
    for (const option of options) expect(docs).toContain(`\`${option}\``);
  });

  it('says the anchor and the rule that the specs have', () => {
    for (const line of table.split('\n').filter((row) => /^\| `/.test(row))) {
      const [, names, , rule, added, anchor] = line.split('|').map((cell) => cell.trim());
      for (const [, name] of names!.matchAll(/`(\w+)`/g)) {
        const spec = objectiveSpec(name!);
        expect(spec.anchors.filter((a) => a !== 'old').join(), name).toBe(
          { '–': '', 'ref and behaviour': 'behaviour,ref' }[anchor!] ?? anchor,
        );
        expect(added, name).toBe(
          {
            'seq-mean-token-mean': 'mean of means',
            'token-mean': 'token mean',
            'seq-mean-token-sum': 'mean of sums',
            'seq-mean-token-sum-norm': 'fixed length',
            'pair-mean': 'mean of pairs',
          }[spec.aggregation as string],
        );
        expect(rule!.includes('left out'), name).toBe(spec.leaveOutZero);
      }
    }
  });
});

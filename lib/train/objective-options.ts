import { LapidaryError } from '../errors.ts';
import type { Objective } from '../kernels/objectives.ts';

/** Options of an objective as a configuration file has them: flat, snake_case, numbers, words and switches. */
export type OptionValue = number | string | boolean;
export type ObjectiveOptions = Readonly<Record<string, OptionValue>>;

/** What a value must be, and where it goes in the options of the preset. Ranges are the kernels' to check. */
export interface Option {
  type: 'number' | 'boolean' | readonly string[];
  path: readonly [string, string?];
}

type Options = Readonly<Record<string, Option>>;

const number = (...path: [string, string?]): Option => ({ type: 'number', path });
const word = (words: readonly string[], ...path: [string, string?]): Option => ({ type: words, path });

/** The policy that training starts from, or the one that sampled the responses. */
export const ANCHOR: Options = { anchor: word(['ref', 'behaviour'], 'anchor') };

const LEVELS = ['token', 'sequence-sum', 'sequence-mean'];
const RATIO: Options = { ...ANCHOR, level: word(LEVELS, 'level') };
const THROUGH: Options = { through_token: { type: 'boolean', path: ['throughToken'] } };

/** Terms that every policy-gradient preset can have beside its own. */
const EXTRAS: Options = {
  kl: word(['k1', 'k2', 'k3', 'abs', 'square'], 'kl', 'kind'),
  kl_coefficient: number('kl', 'coefficient'),
  kl_gradient: word(['own', 'delta', 'score', 'ratio', 'weighted'], 'kl', 'gradient'),
  kl_anchor: word(['ref', 'behaviour'], 'kl', 'anchor'),
  kl_input_bound: number('kl', 'inputBound'),
  kl_output_bound: number('kl', 'outputBound'),
  sequence_mask: number('sequenceMask'),
};
const IMPORTANCE: Options = {
  importance_high: number('importance', 'high'),
  importance_low: number('importance', 'low'),
  importance_level: word(LEVELS, 'importance', 'level'),
  importance_outside: word(['cut', 'drop', 'drop-own'], 'importance', 'outside'),
  importance_numerator: word(['old', 'policy'], 'importance', 'numerator'),
};

export const UNIT: Options = { ...EXTRAS, ...IMPORTANCE };
export const CONSTRAINT: Options = { tau: number('tau'), ...ANCHOR, ...UNIT };
const CLIP_RANGE: Options = { clip_low: number('clipLow'), clip_high: number('clipHigh') };
const CLIP_OWN: Options = {
  ...{ ...CLIP_RANGE, ...RATIO, ...THROUGH },
  ...{ dual_clip: number('dualClip'), ratio_cap: number('ratioCap') },
};
export const CLIP: Options = { ...CLIP_OWN, ...UNIT };
export const DECOUPLED: Options = { ...CLIP_OWN, cap: number('cap'), ...EXTRAS };
export const CLIPPED_LOG: Options = { ...CLIP_RANGE, ...ANCHOR, ...UNIT };
export const SOFT_GATE: Options = {
  ...{ positive: number('positive'), negative: number('negative') },
  ...{ ...RATIO, ...THROUGH, ...UNIT },
};
export const BAND: Options = { epsilon: number('epsilon'), ...ANCHOR, ...UNIT };
export const NFT: Options = {
  ...{ floor: number('floor'), omega: number('omega') },
  ...{ ...RATIO, ...THROUGH, ...UNIT },
};
export const CISPO: Options = {
  ...{ ...CLIP_RANGE, bound_low: number('bounds', '0'), bound_high: number('bounds', '1') },
  ...{ ...RATIO, ...UNIT },
};
export const WEIGHTED: Options = { ...RATIO, ...UNIT };
export const VESPO: Options = {
  ...{ positive_power: number('positive', '0'), positive_rate: number('positive', '1') },
  ...{ negative_power: number('negative', '0'), negative_rate: number('negative', '1') },
  ...WEIGHTED,
};
export const TRUST_REGION: Options = {
  ...{ low: number('low'), high: number('high'), cap: number('cap') },
  ...WEIGHTED,
};

/** The name keeps it apart from `beta`, the weight of right steps in wrong responses. */
const PREFERENCE_BETA: Options = { preference_beta: number('beta') };
const MEAN: Options = { mean: { type: 'boolean', path: ['mean'] } };
export const PREFERENCE: Options = { ...PREFERENCE_BETA, ...ANCHOR };
export const DPO: Options = { ...PREFERENCE, ...MEAN, smoothing: number('smoothing') };
export const CDPO: Options = { ...PREFERENCE, smoothing: number('smoothing') };
export const IPO: Options = { ...PREFERENCE, ...MEAN };
export const SIMPO: Options = { ...PREFERENCE_BETA, margin: number('margin') };
export const KTO: Options = {
  ...{ ...PREFERENCE, z0: number('z0') },
  ...{ desirable: number('desirable'), undesirable: number('undesirable') },
};

/** Options that only make sense together: where one of a group is given, the required ones must be. */
const TOGETHER: readonly (readonly [group: string, required: readonly string[]])[] = [
  ['kl', ['kl', 'kl_coefficient']],
  ['importance', ['importance_high']],
  ['bounds', ['bound_low', 'bound_high']],
  ['positive', ['positive_power', 'positive_rate']],
  ['negative', ['negative_power', 'negative_rate']],
];

export function optionError(objective: string, option: string, problem: string): LapidaryError {
  const message = `objective ${objective}: ${option}: ${problem}`;
  return new LapidaryError('ERR_LAPIDARY_CONFIG', message, { argument: option });
}

export function checkOption(objective: string, name: string, type: Option['type'], value: unknown): void {
  const fits = typeof type === 'string' ? typeof value === type : type.includes(value as string);
  if (fits) return;
  const expected =
    typeof type === 'string' ? (type === 'number' ? 'a number' : 'true or false') : type.join(', ');
  throw optionError(objective, name, `expected ${expected}, got ${JSON.stringify(value)}`);
}

/** Flat options as those of the preset's function. Every name in `given` must be one of `known`. */
export function presetOptions(objective: string, known: Options, given: ObjectiveOptions): object {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    const { type, path } = known[name]!;
    checkOption(objective, name, type, value);
    const [outer, inner] = path;
    if (inner === undefined) out[outer] = value;
    else {
      out[outer] ??= inner === '0' || inner === '1' ? [] : {};
      (out[outer] as Record<string, unknown>)[inner] = value;
    }
  }
  checkTogether(objective, known, given);
  if (out.importance !== undefined) {
    out.importance = { numerator: 'old', level: 'token', outside: 'cut', ...(out.importance as object) };
  }
  return out;
}

function checkTogether(objective: string, known: Options, given: ObjectiveOptions): void {
  for (const [group, required] of TOGETHER) {
    const one = Object.keys(given).find((name) => known[name]!.path[0] === group && known[name]!.path[1]);
    const lacking = required.find((name) => given[name] === undefined && known[name] !== undefined);
    if (one === undefined || lacking === undefined) continue;
    throw optionError(objective, lacking, `expected beside ${one}, it is absent`);
  }
}

/** A preset of `objectives` once its options have been checked against the table. */
export type Preset = (options: object) => Objective;

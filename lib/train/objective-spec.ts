import { LapidaryError } from '../errors.ts';
import type { Aggregation } from '../kernels/aggregation.ts';
import { type Anchor, type Objective, objectives } from '../kernels/objectives.ts';
import { type AdvantageRule, CHOSEN_RULES } from './advantage-rule.ts';
import { anchorsOf, checkRanges, isOfPairs } from './objective-anchors.ts';
import {
  checkOption,
  type ObjectiveOptions,
  type Option,
  optionError,
  type Preset,
  presetOptions,
} from './objective-options.ts';
import {
  type ObjectiveName,
  PRESET_USE,
  type PresetUse,
  type UpdateAggregation,
} from './objective-presets.ts';

/** An objective and what it must be given: all that a trainer has to know of it. */
export interface ObjectiveSpec {
  name: string;
  objective: Objective;
  /** How advantages come from rewards and verdicts; `examplesFor` applies it. */
  advantage: AdvantageRule;
  /** Whether it compares the two responses of a pair, chosen and rejected. */
  pairs: boolean;
  /** The stored log-probs that it reads. */
  anchors: readonly Anchor[];
  /** Which stored log-probs stand for the old policy's. */
  old: 'ref' | 'behaviour';
  /** Whether it reads token weights: not where it has no term per token. */
  tokenWeights: boolean;
  /** Whether responses with advantage 0 are left out of training. Elsewhere a constraint holds them in place. */
  leaveOutZero: boolean;
  aggregation: UpdateAggregation;
  /** L of 'seq-mean-token-sum-norm', in tokens; null: the longest response of the training. */
  fixedLength: number | null;
  /** Whether it reads the group's share of right answers (NFT). */
  quality: boolean;
  /** Whether KTO's reference point is estimated at each update, from responses put after other prompts. */
  estimateZ0: boolean;
}

/** The names that a configuration can give, in the order of `objectives`. */
export const OBJECTIVE_NAMES = Object.keys(objectives) as ObjectiveName[];

const AGGREGATIONS: readonly Aggregation[] = [
  ...(['seq-mean-token-mean', 'token-mean', 'group-token-mean'] as const),
  ...(['seq-mean-token-sum', 'seq-mean-token-sum-norm', 'token-sum'] as const),
];
const AGGREGATION: Record<string, Option> = {
  aggregation: { type: AGGREGATIONS, path: ['aggregation'] },
  fixed_length: { type: 'number', path: ['fixedLength'] },
};

/** The options that the trainer itself reads, by what the objective is. */
function trainerOptions({ advantage, aggregation }: PresetUse, name: string): Record<string, Option> {
  const rule = { advantage: { type: CHOSEN_RULES, path: ['advantage'] } } as const;
  return {
    ...(aggregation === 'pair-mean' ? {} : AGGREGATION),
    ...(advantage.kind === 'signed' || advantage.kind === 'asym-re' ? {} : rule),
    ...(advantage.kind === 'asym-re' ? { delta_v: { type: 'number', path: ['delta'] } as const } : {}),
    ...(name === 'wReinforce' ? { right_weight: { type: 'number', path: ['positive'] } as const } : {}),
  };
}

/** The options that `name` takes in a configuration file. */
export function objectiveOptionNames(name: string): string[] {
  const use = useOf(name);
  return [...Object.keys(use.options), ...Object.keys(trainerOptions(use, name))].sort();
}

/**
 * The objective `name` with plain options as a TOML file has them.
 * @throws LapidaryError ERR_LAPIDARY_CONFIG for an unknown name, an unknown option or a value out of range
 */
export function objectiveSpec(name: string, given: ObjectiveOptions = {}): ObjectiveSpec {
  const use = useOf(name);
  const own = trainerOptions(use, name);
  const split: { preset: ObjectiveOptions; trainer: ObjectiveOptions } = { preset: {}, trainer: {} };
  for (const [option, value] of Object.entries(given)) {
    if (option in own) {
      checkOption(name, option, own[option]!.type, value);
      split.trainer = { ...split.trainer, [option]: value };
    } else if (option in use.options) split.preset = { ...split.preset, [option]: value };
    else throw optionError(name, option, `unknown; expected one of ${objectiveOptionNames(name).join(', ')}`);
  }
  const objective = build(name as ObjectiveName, use, split.preset);
  checkRanges(objective);
  return {
    ...described(objective),
    ...{ advantage: ruleOf(name, use.advantage, split.trainer), old: 'ref' },
    ...{ leaveOutZero: use.leaveOutZero ?? false, estimateZ0: name === 'kto' && given.z0 === undefined },
    aggregation: (split.trainer.aggregation as Aggregation | undefined) ?? use.aggregation,
    fixedLength: fixedLengthOf(name, split.trainer),
  };
}

/** An objective of one's own: advantages as given, responses weigh the same, or pairs do. */
export function plainSpec(objective: Objective): ObjectiveSpec {
  return {
    ...described(objective),
    ...{ advantage: { kind: 'given' }, old: 'behaviour', leaveOutZero: false, estimateZ0: false },
    aggregation: isOfPairs(objective) ? 'pair-mean' : 'seq-mean-token-mean',
    fixedLength: null,
  };
}

function described(objective: Objective) {
  return {
    name: objective.name,
    objective,
    pairs: isOfPairs(objective),
    anchors: anchorsOf(objective),
    tokenWeights: objective.gate.kind !== 'none',
    quality: objective.gate.kind === 'nft',
  };
}

function useOf(name: string): PresetUse {
  if (Object.hasOwn(PRESET_USE, name)) return PRESET_USE[name as ObjectiveName];
  throw new LapidaryError(
    'ERR_LAPIDARY_CONFIG',
    `objective: unknown name "${name}"; expected one of ${OBJECTIVE_NAMES.join(', ')}`,
    { argument: 'objective' },
  );
}

/** Offline the old policy is the one that training starts from, so an anchor of its own is never 'old'. */
function build(name: ObjectiveName, use: PresetUse, given: ObjectiveOptions): Objective {
  const plain = presetOptions(name, use.options, given) as { anchor?: Anchor; kl?: object };
  const anchor = plain.anchor ?? use.anchor ?? 'ref';
  if (use.anchor !== null) plain.anchor = anchor;
  if (plain.kl !== undefined) plain.kl = { ratioAnchor: anchor, ...plain.kl };
  return (objectives[name] as Preset)(plain);
}

function ruleOf(name: string, rule: AdvantageRule, given: ObjectiveOptions): AdvantageRule {
  if (given.advantage !== undefined) return { kind: given.advantage as (typeof CHOSEN_RULES)[number] };
  if (rule.kind === 'asym-re' && given.delta_v !== undefined)
    return { ...rule, delta: given.delta_v as number };
  if (rule.kind === 'signed' && given.right_weight !== undefined) {
    const positive = given.right_weight as number;
    if (!(positive >= 0)) throw optionError(name, 'right_weight', `expected 0 or more, got ${positive}`);
    return { ...rule, positive };
  }
  return rule;
}

function fixedLengthOf(name: string, given: ObjectiveOptions): number | null {
  if (given.fixed_length === undefined) return null;
  const length = given.fixed_length as number;
  if (length > 0 && Number.isFinite(length)) return length;
  throw optionError(name, 'fixed_length', `expected a number of tokens above 0, got ${length}`);
}

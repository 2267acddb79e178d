import type { Aggregation } from '../kernels/aggregation.ts';
import type { objectives } from '../kernels/objectives.ts';
import type { AdvantageRule } from './advantage-rule.ts';
import * as options from './objective-options.ts';

export type ObjectiveName = keyof typeof objectives;

/** How the losses of an update's responses are added: N_i of `sequenceScales`, or 1 / pairs. */
export type UpdateAggregation = Aggregation | 'pair-mean';

/** What the trainer does for a preset beside calling it. */
export interface PresetUse {
  options: Readonly<Record<string, options.Option>>;
  advantage: AdvantageRule;
  aggregation: UpdateAggregation;
  /** The anchor of the preset's own ratio or constraint where none is given; null: it has none. */
  anchor: 'ref' | 'behaviour' | null;
  /** Responses with advantage 0 only fill the batch: they are left out. */
  leaveOutZero?: boolean;
}

const TOKENS = 'token-mean';
const RESPONSES = 'seq-mean-token-mean';
const mean: AdvantageRule = { kind: 'mean' };
const standard: AdvantageRule = { kind: 'mean-std' };
const signed = (positive: number, negative: number): AdvantageRule => ({
  kind: 'signed',
  positive,
  negative,
});

function use(
  known: PresetUse['options'],
  advantage: AdvantageRule,
  aggregation: UpdateAggregation,
  anchor: PresetUse['anchor'] = 'anchor' in known ? 'ref' : null,
): PresetUse {
  return { options: known, advantage, aggregation, anchor };
}

const pairs = (known: PresetUse['options']) => use(known, signed(1, 1), 'pair-mean');
const single = (known: PresetUse['options']) => use(known, signed(1, 1), 'seq-mean-token-sum');

/**
 * Aggregations are those of the paper, or of the trainer that ships the objective where the paper has none
 * (docs/train.md). A loss of whole responses (`single`, TOPR) is a mean over responses of sums over tokens.
 */
export const PRESET_USE: Readonly<Record<ObjectiveName, PresetUse>> = {
  bcpgNsa: use(options.CONSTRAINT, mean, RESPONSES),
  bcpg: use(options.CONSTRAINT, mean, RESPONSES),
  pmd: use(options.CONSTRAINT, mean, RESPONSES),
  dro: use(options.CONSTRAINT, mean, RESPONSES),
  reinforce: use(options.UNIT, mean, RESPONSES),
  rft: { ...use(options.UNIT, signed(1, 0), RESPONSES), leaveOutZero: true },
  asymRe: use(options.UNIT, { kind: 'asym-re', delta: -0.1 }, RESPONSES),
  psr: { ...use(options.UNIT, signed(1, 0), RESPONSES), leaveOutZero: true },
  nsr: { ...use(options.UNIT, signed(0, 1), RESPONSES), leaveOutZero: true },
  wReinforce: use(options.UNIT, signed(0.1, 1), RESPONSES),
  ppo: use(options.CLIP, standard, TOKENS),
  decoupledPpo: use(options.DECOUPLED, standard, TOKENS),
  grpo: use(options.CLIP, standard, RESPONSES),
  drGrpo: use(options.CLIP, mean, 'seq-mean-token-sum-norm'),
  dapo: use(options.CLIP, standard, TOKENS),
  gspo: use(options.CLIP, standard, RESPONSES),
  gspoToken: use(options.CLIP, standard, RESPONSES),
  rloo: use(options.CLIP, { kind: 'leave-one-out' }, RESPONSES),
  gmpo: use(options.CLIPPED_LOG, standard, RESPONSES),
  sapo: use(options.SOFT_GATE, standard, RESPONSES),
  sppo: use(options.BAND, mean, TOKENS),
  rec: use(options.CLIPPED_LOG, mean, TOKENS, 'behaviour'),
  nft: use(options.NFT, signed(1, 1), TOKENS),
  cispo: use(options.CISPO, standard, TOKENS),
  topr: use(options.WEIGHTED, mean, 'seq-mean-token-sum', 'behaviour'),
  vespo: use(options.VESPO, standard, TOKENS),
  dppoTv: use(options.TRUST_REGION, standard, TOKENS),
  dppoKl: use(options.TRUST_REGION, standard, TOKENS),
  dpo: pairs(options.DPO),
  cdpo: pairs(options.CDPO),
  ipo: pairs(options.IPO),
  hinge: pairs(options.PREFERENCE),
  simpo: pairs(options.SIMPO),
  kto: single(options.KTO),
  sppoHard: single(options.PREFERENCE),
  npo: {
    ...use(options.PREFERENCE, signed(0, 1), 'seq-mean-token-sum'),
    leaveOutZero: true,
  },
};

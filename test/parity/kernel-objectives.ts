import { type Objective, objectives } from '../../lib/kernels/objectives.ts';
import type { ClipOptions } from '../../lib/kernels/ratio-objectives.ts';
import type { PolicyCase } from './manifest.ts';
import type { Given } from './oracle-formulas.ts';

type Kl = NonNullable<Objective['kl']>;
type Importance = NonNullable<Objective['importance']>;
type Build = (given: Given) => Objective;

function clipOptions({ low, high, dual, delta, level }: Given): ClipOptions {
  return {
    ...{ clipLow: low, clipHigh: high },
    ...(dual !== undefined && { dualClip: dual }),
    ...(delta !== undefined && { ratioCap: delta }),
    ...(level === 'sequence' && { level: 'sequence-mean' as const }),
  };
}

const clip: Build = (p) => {
  if (!p.beta) return objectives.grpo(clipOptions(p));
  const kl = { kind: 'k3', coefficient: p.beta, gradient: p.corrected ? 'ratio' : 'own' } as const;
  return objectives.grpo({ ...clipOptions(p), kl });
};

/** The KL of verl and OpenRLHF: k3 (and of the latter each) is cut to +-10; a + keeps the value and takes delta. */
function klOf({ kind, coefficient }: Given, cut: boolean): Kl {
  return {
    ...{ kind: kind.replace('+', '') as Kl['kind'], coefficient },
    ...(kind.endsWith('+') && { gradient: 'delta' as const }),
    ...(cut && { outputBound: 10 }),
  };
}

const verlKl = (p: Given) => klOf(p, p.kind.startsWith('k3'));

const tokenTis = (p: Given) => ({ numerator: 'old', level: 'token', high: p.cap, outside: 'cut' }) as const;

function rolloutImportance(p: Given): Objective {
  const [level, outside] = p.mode.split('_');
  const importance: Importance = {
    numerator: 'old',
    level: level === 'sequence' ? 'sequence-sum' : 'token',
    high: p.cap,
    outside: outside === 'mask' ? 'drop' : 'cut',
  };
  return objectives.dapo({ importance });
}

function correction(p: Given): Objective {
  const own = p.kind === 'seq-mask-tis';
  const importance: Importance = {
    numerator: 'old',
    level: own ? 'sequence-mean' : 'token',
    low: p.low,
    high: p.high,
    outside: own ? 'drop-own' : p.kind === 'tis' ? 'cut' : 'drop',
  };
  return objectives.ppo({ importance });
}

const cispo: Build = (p) => {
  const kl = p.beta ? { kl: { kind: 'k3', coefficient: p.beta } as const } : {};
  return objectives.cispo({ bounds: [0, p.high], ...kl });
};

const sapo: Build = ({ positive, negative }) => objectives.sapo({ positive, negative });

const klAlone = (kl: Kl): Objective => ({ name: 'kl', gate: { kind: 'none' }, sequenceTerm: null, kl });

const bounds = ({ low, high }: Given) => ({ clipLow: low, clipHigh: high });

/** Objectives of the library for the trainers' formulas, by the start of the source. */
const TRAINERS: Record<string, Record<string, Build>> = {
  TRL: {
    ...{ grpo: clip, bnpo: clip, dr_grpo: clip, dapo: clip, 'two-sided delta': clip, gspo: clip },
    ...{ use_bias_correction_kl: clip, cispo, sapo, 'rollout importance': rolloutImportance },
    luspo: (p) => objectives.gspo(bounds(p)),
    vespo: ({ k, rate }) => objectives.vespo({ positive: [k[0], rate[0]], negative: [k[1], rate[1]] }),
    'off-policy sequence mask': (p) => objectives.grpo({ sequenceMask: p.threshold }),
    rloo: (p) => objectives.rloo(bounds(p)),
    'dpo sigmoid': ({ beta, smoothing = 0 }) => objectives.dpo({ beta, smoothing }),
    'dpo robust': ({ beta, smoothing: e }) => objectives.dpo({ beta, smoothing: -e / (1 - 2 * e) }),
    'dpo ipo (means)': ({ beta }) => objectives.ipo({ beta }),
    'dpo sigmoid_norm (means)': ({ beta }) => objectives.dpo({ beta, mean: true }),
    'dpo hinge': ({ beta }) => objectives.hinge({ beta }),
    'dpo sppo_hard': ({ beta }) => objectives.sppoHard({ beta }),
    simpo: ({ beta, gamma }) => objectives.simpo({ beta, margin: gamma }),
    kto: ({ beta, z0, desirable, undesirable }) => objectives.kto({ beta, z0, desirable, undesirable }),
    npo: ({ beta }) => objectives.npo({ beta }),
  },
  verl: {
    ...{ 'vanilla (dual clip)': clip, 'vanilla, advantages per token': clip, sapo },
    'vanilla, token TIS': (p) => objectives.ppo({ ...clipOptions(p), importance: tokenTis(p) }),
    'gpg, reinforce': () => objectives.reinforce(),
    dppo_tv: ({ low, high, cap }) => objectives.dppoTv({ low, high, cap }),
    dppo_kl: ({ low, high, cap }) => objectives.dppoKl({ low, high, cap }),
    gspo: (p) => objectives.gspoToken(bounds(p)),
    'gspo, advantages per token': (p) => objectives.gspoToken(bounds(p)),
    'geo_mean (GMPO)': (p) => objectives.gmpo(bounds(p)),
    cispo: (p) => objectives.cispo(bounds(p)),
    dro: ({ tau }) => objectives.dro({ tau }),
    'vanilla + kl_penalty': (p) => objectives.ppo({ dualClip: 3, kl: verlKl(p) }),
    'low_var_kl beyond its clamp': (p) => klAlone(klOf({ ...p, kind: 'k3' }, true)),
  },
  OpenRLHF: {
    ppo: clip,
    gspo: (p) => objectives.gspo(bounds(p)),
    'ppo, rollout correction': correction,
    'ppo + compute_approx_kl': (p) => objectives.ppo({ kl: klOf(p, true) }),
    dpo: ({ beta, smoothing = 0 }) => objectives.dpo({ beta, smoothing }),
    'ipo (sums)': ({ beta }) => objectives.ipo({ beta, mean: false }),
  },
  OpenKimi: { opmd: ({ tau }) => objectives.pmd({ tau }) },
  'arXiv 2505.14403': { 'objective (BCPG)': ({ tau }) => objectives.bcpg({ tau }) },
  'arXiv 2503.14286 eq. 8': { 'topr, sequence ratio': () => objectives.topr() },
  'prime-rl': {
    'default (DPPO-TV mask + squared log-ratio)': ({ low, high, tau }) => ({
      name: 'prime-rl',
      gate: { kind: 'ratio', anchor: 'behaviour' },
      tokenMask: { kind: 'tv', anchor: 'behaviour', low, high },
      sequenceTerm: null,
      kl: { kind: 'square', anchor: 'behaviour', coefficient: tau },
    }),
  },
  'NeMo-RL': {
    "reference KL, k3 with the ratio's score": ({ coefficient }) =>
      klAlone({ kind: 'k3', coefficient, gradient: 'score' }),
  },
  'Trinity-RFT': {
    sppo: ({ epsilon }) => objectives.sppo({ epsilon }),
    'topr, token ratio': () => objectives.topr({ level: 'token' }),
  },
  'NVlabs/NFT': { nft: ({ floor }) => objectives.nft({ floor }) },
};

/** Null where the library has no objective for the formula: Trinity's opmd is REINFORCE of A / (1 + tau). */
export function kernelObjective({
  source,
  formula,
  parameters,
}: Pick<PolicyCase, 'source' | 'formula' | 'parameters'>): Objective | null {
  for (const [name, formulas] of Object.entries(TRAINERS)) {
    if (source.startsWith(name) && formulas[formula] !== undefined) {
      return formulas[formula](parameters as unknown as Given);
    }
  }
  return null;
}

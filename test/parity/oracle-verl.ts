import type { Aggregation } from '../../lib/kernels/aggregation.ts';
import type { OracleKl, OracleObjective } from '../oracle/policy-loss-family.ts';
import * as gates from '../oracle/policy-loss-gates.ts';
import { type Formulas, type Given, MEAN, NONE, OLD, type OracleFormula } from './oracle-formulas.ts';

const still: gates.Term = () => 0;

function verlAggregation(p: Given): Pick<OracleFormula, 'aggregation' | 'options'> {
  const aggregation = (p.mode ?? 'token-mean') as Aggregation;
  return p.length === undefined ? { aggregation } : { aggregation, options: { fixedLength: p.length } };
}

const verlClip = (p: Given): OracleFormula => ({
  objective: { gate: gates.clipSurrogate(p.low, p.high, p.dual), ratio: OLD },
  ...verlAggregation(p),
});

/** A kept token's probability did not move too far on the side that A pushes it to. */
function dppo(p: Given, distance: (p: number, q: number) => number, sided: boolean): OracleObjective {
  const cap: [number, number] = [0, p.cap];
  return {
    gate: gates.clipWeight({ positive: cap, negative: cap }),
    ratio: OLD,
    inside: (token, advantage) => {
      const [now, old] = [Math.exp(token.logp), Math.exp(token.old)];
      const far = distance(now, old);
      if (sided) return advantage > 0 ? far <= p.high : far >= -p.low;
      return advantage > 0 ? far <= p.high || now <= old : far <= p.low || now >= old;
    },
  };
}

const binaryKl = (p: number, q: number) => q * Math.log(q / p) + (1 - q) * Math.log((1 - q) / (1 - p));

function verlKl(p: Given): OracleKl {
  const kind = p.kind.replace('+', '') as OracleKl['kind'];
  const gradient = p.kind.endsWith('+') ? 'delta' : 'own';
  const bound = kind === 'k3' ? { outputBound: 10 } : {};
  return { kind, anchor: 'ref', coefficient: p.coefficient, gradient, ...bound };
}

export const VERL: Formulas = {
  'vanilla (dual clip)': verlClip,
  'vanilla, advantages per token': (p) => ({ ...verlClip(p), perToken: true }),
  'vanilla, token TIS': (p) => {
    const base = verlClip(p);
    const importance = { numerator: 'old', level: 'token', low: 0, high: p.cap, outside: 'cut' } as const;
    return { ...base, objective: { ...base.objective, importance } };
  },
  'gpg, reinforce': (p) => ({ objective: { gate: gates.unit, ratio: NONE }, ...verlAggregation(p) }),
  dppo_tv: (p) => ({ objective: dppo(p, (now, old) => now - old, true), aggregation: 'token-mean' }),
  dppo_kl: (p) => ({ objective: dppo(p, binaryKl, false), aggregation: 'token-mean' }),
  gspo: (p) => ({
    objective: { gate: gates.clipSurrogate(p.low, p.high), ratio: { ...MEAN, throughToken: true } },
    aggregation: 'seq-mean-token-mean',
  }),
  'gspo, advantages per token': (p) => ({ ...VERL.gspo!(p), perToken: true }),
  sapo: (p) => ({
    objective: { gate: gates.sapo(p.positive, p.negative), ratio: OLD },
    aggregation: 'seq-mean-token-mean',
  }),
  'geo_mean (GMPO)': (p) => ({
    objective: { gate: gates.ratio, ratio: MEAN, geometric: { low: p.low, high: p.high } },
    aggregation: 'seq-mean-token-mean',
  }),
  cispo: (p) => {
    const bounds: [number, number] = [1 - p.low, 1 + p.high];
    const gate = gates.clipWeight({ positive: bounds, negative: bounds });
    return { objective: { gate, ratio: OLD }, aggregation: 'token-mean' };
  },
  dro: (p) => {
    const kl: OracleKl = { kind: 'k2', anchor: 'old', coefficient: p.tau, gradient: 'own' };
    return { objective: { gate: gates.unit, ratio: NONE, kl }, aggregation: 'token-mean' };
  },
  'vanilla + kl_penalty': (p) => ({
    objective: { gate: gates.clipSurrogate(0.2, 0.2, 3), ratio: OLD, kl: verlKl(p) },
    aggregation: 'token-mean',
  }),
  'low_var_kl beyond its clamp': (p) => ({
    objective: { gate: still, ratio: NONE, kl: verlKl({ ...p, kind: 'k3' }) },
    aggregation: 'token-mean',
  }),
};

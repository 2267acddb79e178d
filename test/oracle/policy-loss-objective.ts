import type {
  Gate,
  Importance,
  Kl,
  Objective,
  SequenceTerm,
  TokenMask,
} from '../../lib/kernels/objectives.ts';
import { driftOf, keptOf, type OracleSequence, type OracleToken, sumOver } from './policy-loss-batch.ts';
import type { OracleImportance, OracleKl, OracleObjective, OracleRatio } from './policy-loss-family.ts';
import * as gates from './policy-loss-gates.ts';
import { ratioOf } from './policy-loss-gates.ts';
import * as losses from './policy-loss-sequences.ts';

const f32 = Math.fround;

/** Every sequence's share of right answers, of an NFT gate. */
export const NFT_QUALITY = f32(0.3);

type Side = [number, number];

function side(given: readonly [number, number] | null): Side | null {
  return given === null ? null : [f32(given[0]), f32(given[1])];
}

function cap(given: number | undefined): number {
  return given === undefined ? Infinity : f32(given);
}

function gateTerm(gate: Gate): gates.Term {
  switch (gate.kind) {
    case 'unit':
      return gates.unit;
    case 'none':
      return () => 0;
    case 'clip-surrogate':
      return gates.clipSurrogate(
        f32(gate.clipLow),
        f32(gate.clipHigh),
        cap(gate.dualClip),
        cap(gate.ratioCap),
      );
    case 'ratio':
    case 'geometric':
      return gates.ratio;
    case 'log-ratio':
      return ({ logRatio }, _, advantage) => -advantage * logRatio;
    case 'clip-weight':
      return gates.clipWeight({ positive: side(gate.positive), negative: side(gate.negative) });
    case 'sapo':
      return gates.sapo(f32(gate.positive), f32(gate.negative));
    case 'gamma': {
      const [positive, negative] = [side(gate.positive)!, side(gate.negative)!];
      return gates.gamma([positive[0], negative[0]], [positive[1], negative[1]]);
    }
    case 'nft':
      return gates.nft(NFT_QUALITY, f32(gate.floor), f32(gate.omega));
  }
}

function ratioUnder(gate: Gate): OracleRatio {
  if (gate.kind === 'unit' || gate.kind === 'none') return { anchor: null, level: 'token' };
  if (gate.kind === 'geometric') return { anchor: gate.anchor, level: 'sequence-mean' };
  const { anchor, level = 'token', throughToken = false } = gate;
  return { anchor, level, throughToken };
}

function binaryKl(from: number, to: number): number {
  return from * Math.log(from / to) + (1 - from) * Math.log((1 - from) / (1 - to));
}

function insideOf(mask: TokenMask) {
  const [low, high] = [f32(mask.low), f32(mask.high)];
  return (token: OracleToken, advantage: number): boolean => {
    const [now, then] = [token.logp, token[mask.anchor]];
    const [p, q] = [Math.exp(now), Math.exp(then)];
    const rho = ratioOf(now - then);
    switch (mask.kind) {
      case 'one-side':
        return advantage > 0 ? rho <= high : rho >= low;
      case 'two-side':
        return rho >= low && rho <= high;
      case 'tv':
        return advantage > 0 ? p - q <= high : p - q >= -low;
      case 'binary-kl':
        if (advantage > 0) return p <= q || binaryKl(q, p) <= high;
        return p >= q || binaryKl(q, p) <= low;
    }
  };
}

function importanceOf({ numerator, level, low = 0, high, outside }: Importance): OracleImportance {
  return {
    numerator: numerator === 'old' ? 'old' : 'logp',
    level,
    low: f32(low),
    high: f32(high),
    outside: outside === 'cut' ? 'cut' : 'drop',
    ownWeight: outside === 'drop-own',
  };
}

function klOf({
  kind,
  anchor = 'ref',
  coefficient,
  gradient = 'own',
  ratioAnchor = 'old',
  ...rest
}: Kl): OracleKl {
  return {
    ...{ kind, anchor, coefficient: f32(coefficient), gradient, ratioAnchor },
    inputBound: cap(rest.inputBound || undefined),
    outputBound: cap(rest.outputBound || undefined),
  };
}

function pairLoss(term: SequenceTerm): ((d: number) => number) | null {
  if (term.kind === 'logistic-pair') {
    const { smoothing = 0, margin = 0 } = term;
    return (d) => losses.logisticPair(d, f32(term.beta), f32(smoothing), f32(margin));
  }
  if (term.kind === 'square-pair') return (d) => losses.squarePair(d, f32(term.beta));
  return term.kind === 'hinge-pair' ? (d) => losses.hingePair(d, f32(term.beta)) : null;
}

function singleLoss(term: SequenceTerm, s: number, preferred: boolean): number {
  switch (term.kind) {
    case 'square':
      return losses.square(s, f32(term.tau));
    case 'kto': {
      const weight = f32((preferred ? term.desirable : term.undesirable) ?? 1);
      return losses.kto(s, f32(term.beta), f32(term.z0), preferred, weight);
    }
    case 'npo':
      return losses.npo(s, f32(term.beta));
    case 'sppo':
      return losses.sppoHard(s, f32(term.beta), preferred);
    default:
      throw new Error(`${term.kind} is of pairs`);
  }
}

/** S, as the term takes it. */
export function termDrift(term: SequenceTerm, sequence: OracleSequence): number {
  return driftOf(sequence, term.anchor, term.kind !== 'square' && term.mean);
}

function wholeOf(term: SequenceTerm): Pick<OracleObjective, 'whole' | 'coupled'> {
  const pair = pairLoss(term);
  const has = (of: OracleSequence) => keptOf(of).length > 0;
  if (pair === null) {
    const one = (of: OracleSequence) => of.scale * singleLoss(term, termDrift(term, of), of.advantage > 0);
    return { whole: (all) => all.filter(has).reduce((sum, of) => sum + one(of), 0) };
  }
  return {
    coupled: 2,
    whole: (all) =>
      all.reduce((sum, chosen, i) => {
        const rejected = all[i + 1];
        if (i % 2 === 1 || rejected === undefined || !has(chosen) || !has(rejected)) return sum;
        return sum + chosen.scale * pair(termDrift(term, chosen) - termDrift(term, rejected));
      }, 0),
  };
}

function sequenceInsideOf(bound: number): OracleObjective['sequenceInside'] {
  return (sequence) => {
    const mean =
      sumOver(sequence, (token) => token.behaviour - token.logp) / Math.max(keptOf(sequence).length, 1);
    return !(sequence.advantage < 0 && mean > f32(bound));
  };
}

/** The library's description of an objective, its numbers rounded as the C ABI holds them, in the oracle's terms. */
export function oracleObjective(given: Objective): OracleObjective {
  const { gate, sequenceTerm, tokenMask, importance, kl, sequenceMask } = given;
  return {
    gate: gateTerm(gate),
    ratio: ratioUnder(gate),
    ...(gate.kind === 'geometric' && { geometric: { low: f32(gate.clipLow), high: f32(gate.clipHigh) } }),
    ...(tokenMask && { inside: insideOf(tokenMask) }),
    ...(importance && { importance: importanceOf(importance) }),
    ...(kl && { kl: klOf(kl) }),
    ...(sequenceMask !== undefined && { sequenceInside: sequenceInsideOf(sequenceMask)! }),
    ...(sequenceTerm && wholeOf(sequenceTerm)),
  };
}

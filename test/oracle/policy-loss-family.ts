/**
 * The whole family of policy losses in float64:
 *
 *   L = sum_i N_i [ sum_t w_t c_t gate_t + kappa sum_t KL_t ] + preference and constraint terms of sequences,
 *
 * c_t a detached importance weight. Everything is a function of two copies of the batch, `live` and `held`: what a
 * paper detaches is read from `held`. Central differences by `live` alone then give the published gradient.
 */
import {
  driftOf,
  keptOf,
  type Level,
  moved,
  type OracleAnchor,
  type OracleSequence,
  type OracleToken,
  sumOver,
} from './policy-loss-batch.ts';
import { type Point, ratioOf, type Term } from './policy-loss-gates.ts';
import { type Estimator, klValue } from './policy-loss-kl.ts';

export interface OracleRatio {
  anchor: OracleAnchor | null;
  level: Level;
  /** The gradient of a sequence's ratio runs through each token for itself (GSPO-token), not through the sum. */
  throughToken?: boolean;
}

export interface OracleImportance {
  /** log of the weight: old - behaviour, or logp - behaviour. */
  numerator: 'old' | 'logp';
  level: Level;
  /** Outside [low, high] the weight is cut to the bound, or 0. */
  low: number;
  high: number;
  outside: 'cut' | 'drop';
  /** The level decides, but a token that is kept has its own weight (OpenRLHF's seq-mask-tis). */
  ownWeight?: boolean;
}

export interface OracleKl {
  kind: Estimator;
  anchor: OracleAnchor;
  coefficient: number;
  /**
   * own: the estimator's own slope. delta: the slope of delta^2 / 2, the value kept. score: that of
   * exp(l - held l) x estimator. ratio: estimator x rho, value too; with detached rho 'weighted'.
   */
  gradient: 'own' | 'delta' | 'score' | 'ratio' | 'weighted';
  ratioAnchor?: OracleAnchor;
  /** delta is cut to +- this, without slope beyond. */
  inputBound?: number;
  /** The estimator is cut to +- this, its slope 0 beyond. */
  outputBound?: number;
}

export interface OracleObjective {
  gate: Term;
  ratio: OracleRatio;
  importance?: OracleImportance;
  kl?: OracleKl;
  /** GMPO (arXiv 2507.20673): the log-ratios that the mean is taken of, each cut on the side of A's sign. */
  geometric?: { low: number; high: number };
  /** Tokens (by the held batch) whose gate counts; the others give 0. */
  inside?: (token: OracleToken, advantage: number) => boolean;
  /** Sequences (by the held batch) whose gates count. */
  sequenceInside?: (sequence: OracleSequence) => boolean;
  /** A term of whole sequences, of these and their order: see policy-loss-sequences.ts. */
  whole?: (sequences: readonly OracleSequence[]) => number;
  /** For the differences: how many neighbouring sequences `whole` couples, default 1, pairs 2. */
  coupled?: number;
}

function geometricMean(sequence: OracleSequence, anchor: OracleAnchor, low: number, high: number): number {
  const sign = Math.sign(sequence.advantage);
  const total = sumOver(sequence, (token) => {
    const x = token.logp - token[anchor];
    const cut = Math.min(Math.max(x, -low), high);
    return sign * Math.min(sign * x, sign * cut);
  });
  return total / Math.max(keptOf(sequence).length, 1);
}

/** log rho of a token, before it is looked at through `throughToken`. */
function logRatio(objective: OracleObjective, sequence: OracleSequence, token: OracleToken): number {
  const { ratio, geometric } = objective;
  if (ratio.anchor === null) return 0;
  if (geometric !== undefined) return geometricMean(sequence, ratio.anchor, geometric.low, geometric.high);
  if (ratio.level === 'token') return token.logp - token[ratio.anchor];
  return driftOf(sequence, ratio.anchor, ratio.level === 'sequence-mean');
}

function importanceWeight(given: OracleImportance, sequence: OracleSequence, token: OracleToken): number {
  const own = (of: OracleToken) => of[given.numerator] - of.behaviour;
  const sum = given.level === 'token' ? own(token) : sumOver(sequence, own);
  const count = given.level === 'sequence-mean' ? Math.max(keptOf(sequence).length, 1) : 1;
  const weight = ratioOf(sum / count);
  const within = weight >= given.low && weight <= given.high;
  if (given.outside === 'drop' && !within) return 0;
  if (given.ownWeight) return ratioOf(own(token));
  return Math.min(Math.max(weight, given.low), given.high);
}

function klTerm(given: OracleKl, live: OracleToken, held: OracleToken): number {
  const { kind, anchor, gradient, ratioAnchor = 'old' } = given;
  const { inputBound = Infinity, outputBound = Infinity } = given;
  const delta = (token: OracleToken) =>
    Math.min(Math.max(token.logp - token[anchor], -inputBound), inputBound);
  const value = (token: OracleToken) =>
    Math.min(Math.max(klValue(kind, delta(token)), -outputBound), outputBound);
  switch (gradient) {
    case 'own':
      return value(live);
    case 'delta':
      return value(held) + (delta(live) ** 2 - delta(held) ** 2) / 2;
    case 'score':
      return Math.exp(live.logp - held.logp) * value(live);
    case 'ratio':
      return ratioOf(live.logp - live[ratioAnchor]) * value(live);
    case 'weighted':
      return ratioOf(held.logp - held[ratioAnchor]) * value(live);
  }
}

function gateOf(objective: OracleObjective, live: OracleSequence, held: OracleSequence, t: number): number {
  const [token, still] = [live.tokens[t]!, held.tokens[t]!];
  const advantage = token.advantage ?? live.advantage;
  if (advantage * token.weight === 0) return 0;
  if (objective.inside !== undefined && !objective.inside(still, advantage)) return 0;
  if (objective.sequenceInside !== undefined && !objective.sequenceInside(held)) return 0;
  const heldRatio = logRatio(objective, held, still);
  const liveRatio = objective.ratio.throughToken
    ? heldRatio + token.logp - still.logp
    : logRatio(objective, live, token);
  const at: Point = { logp: token.logp, logRatio: liveRatio };
  const value = objective.gate(at, { logp: still.logp, logRatio: heldRatio }, advantage);
  const weight = objective.importance === undefined ? 1 : importanceWeight(objective.importance, held, still);
  return token.weight * weight * value;
}

/** The terms of one sequence, without its scale. */
export function tokenTerms(objective: OracleObjective, live: OracleSequence, held: OracleSequence) {
  let policy = 0;
  let kl = 0;
  live.tokens.forEach((token, t) => {
    if (!token.kept) return;
    policy += gateOf(objective, live, held, t);
    if (objective.kl !== undefined)
      kl += objective.kl.coefficient * klTerm(objective.kl, token, held.tokens[t]!);
  });
  return { policy, kl };
}

function lossOf(
  objective: OracleObjective,
  live: readonly OracleSequence[],
  held: readonly OracleSequence[],
) {
  const tokens = live.reduce((sum, sequence, i) => {
    const { policy, kl } = tokenTerms(objective, sequence, held[i]!);
    return sum + sequence.scale * (policy + kl);
  }, 0);
  return tokens + (objective.whole?.(live) ?? 0);
}

export function familyLoss(objective: OracleObjective, sequences: readonly OracleSequence[]): number {
  return lossOf(objective, sequences, sequences);
}

/** dL/dlogp of every token by central differences (of the fourth order), detached factors held. */
export function familyGradient(
  objective: OracleObjective,
  sequences: readonly OracleSequence[],
  step = 2e-5,
): number[] {
  const { coupled = 1 } = objective;
  return sequences.flatMap((sequence, i) => {
    const first = i - (i % coupled);
    const held = sequences.slice(first, first + coupled);
    return sequence.tokens.map((token) => {
      if (!token.kept) return 0;
      const at = (shift: number): number => {
        const live = held.map((other) => (other === sequence ? moved(other, token, shift) : other));
        return lossOf(objective, live, held);
      };
      return (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step);
    });
  });
}

/**
 * Objectives are data. Each names the terms of
 *
 *   L = sum_i N_i { sum_t m_t [ w_t c_t gate(R_t, logp_t; A) + kl(delta_t) ] + term(S_i) }
 *
 * over a batch of sequences: R a log-ratio, rho = exp(R), c a detached importance weight, S_i = sum_t m_t (logp_t -
 * anchor_t). Advantages A, token weights w, masks m and the per-sequence scale N are inputs of `policyLoss`. The
 * formulas themselves are in native/objective/; lapidary.h says what each field means. Choices of tokens that look at
 * the whole batch (Clip-Cov, M2PO, AOT) are made beforehand and given as the mask.
 */

/** Which stored log-probs a ratio or a constraint is taken against. */
export type Anchor = 'old' | 'behaviour' | 'ref';

/** A log-ratio: of the token, or the sum or mean of its sequence's kept tokens. */
export type Level = 'token' | 'sequence-sum' | 'sequence-mean';

export interface Ratio {
  anchor: Anchor;
  /** Default 'token'. */
  level?: Level;
  /** A sequence's ratio whose gradient runs through each token for itself (GSPO-token), not through the sum. */
  throughToken?: boolean;
}

/** -A logp: gradient -w A per token. */
export interface UnitGate {
  kind: 'unit';
}

/** No policy term: for preference losses, whose A is at most a label. */
export interface NoGate {
  kind: 'none';
}

/** -min(min(rho, ratioCap) A, clip(rho, 1 - clipLow, 1 + clipHigh) A), and where A < 0 at most -dualClip A. */
export interface ClipSurrogateGate extends Ratio {
  kind: 'clip-surrogate';
  clipLow: number;
  clipHigh: number;
  /** Above 1; default none. */
  dualClip?: number;
  /** Above 1; default none. */
  ratioCap?: number;
}

/** -rho A. */
export interface RatioGate extends Ratio {
  kind: 'ratio';
}

/** -R A. */
export interface LogRatioGate extends Ratio {
  kind: 'log-ratio';
}

/** -rho A, R the mean of log-ratios each cut to [-clipLow, clipHigh] on the side that the sequence's A pushes to. */
export interface GeometricGate {
  kind: 'geometric';
  anchor: Anchor;
  clipLow: number;
  clipHigh: number;
}

/** [low, high] of a detached ratio; null: the weight is 1. */
export type Bounds = readonly [number, number] | null;

/** -clip(rho, bounds by the sign of A) A logp, the weight detached. */
export interface ClipWeightGate extends Ratio {
  kind: 'clip-weight';
  positive: Bounds;
  negative: Bounds;
}

/** -(4 / t) sigmoid(t (rho - 1)) A with t by the sign of A. */
export interface SapoGate extends Ratio {
  kind: 'sapo';
  positive: number;
  negative: number;
}

/** -e^k rho^s e^(-k rho) A logp, the weight detached, [s, k] by the sign of A. */
export interface GammaGate extends Ratio {
  kind: 'gamma';
  positive: readonly [number, number];
  negative: readonly [number, number];
}

/** A > 0: -omega R; else -omega log max((1 - q rho) / (1 - q), floor), straight through; q is `nftQuality`. */
export interface NftGate extends Ratio {
  kind: 'nft';
  floor: number;
  omega: number;
}

export type Gate =
  | UnitGate
  | NoGate
  | ClipSurrogateGate
  | RatioGate
  | LogRatioGate
  | GeometricGate
  | ClipWeightGate
  | SapoGate
  | GammaGate
  | NftGate;

/**
 * Tokens that keep their gate. one-side, two-side: bounds of rho. tv: of the change of the token's probability,
 * [-low, high]; binary-kl: of the KL between (p, 1 - p) now and then. One-sided ones look where A pushes to.
 */
export interface TokenMask {
  kind: 'one-side' | 'two-side' | 'tv' | 'binary-kl';
  anchor: Anchor;
  low: number;
  high: number;
}

/** c = e^x, detached, x = old - behaviour, or logp - behaviour; outside [low, high] cut to the bound or dropped. */
export interface Importance {
  numerator: 'old' | 'policy';
  level: Level;
  /** Default 0. */
  low?: number;
  high: number;
  /** drop-own: the level decides, but a token that is kept has its own e^x. */
  outside: 'cut' | 'drop' | 'drop-own';
}

/**
 * coefficient x an estimator of KL(policy || anchor), delta = logp - anchor: k1 delta, k2 delta^2 / 2, k3
 * e^-delta + delta - 1, abs, square delta^2 (Schulman, "Approximating KL divergence", 2020).
 */
export interface Kl {
  kind: 'k1' | 'k2' | 'k3' | 'abs' | 'square';
  /** Default 'ref'. */
  anchor?: Anchor;
  coefficient: number;
  /**
   * own (default): the estimator's. delta: delta, the value kept. score: of e^(logp - detached logp) x estimator.
   * ratio: of rho x estimator, the value too; weighted: with rho detached.
   */
  gradient?: 'own' | 'delta' | 'score' | 'ratio' | 'weighted';
  /** Of rho; default 'old'. */
  ratioAnchor?: Anchor;
  /** |delta| is cut to this, no gradient beyond; default none. */
  inputBound?: number;
  /** The estimator is cut to +- this, no slope of it beyond; default none. Mind that 10 stops k3 at delta < -2.6. */
  outputBound?: number;
}

/** (tau / 2) S^2. */
export interface SquareTerm {
  kind: 'square';
  anchor: Anchor;
  tau: number;
}

/** What S is the sum of: logp - anchor, or logp alone (null); or its mean over kept tokens. */
interface Drift {
  anchor: Anchor | null;
  mean?: boolean;
  beta: number;
}

/** -(1 - e) log sigmoid(z) - e log sigmoid(-z), z = beta (S_w - S_l) - margin. */
export interface LogisticPairTerm extends Drift {
  kind: 'logistic-pair';
  smoothing?: number;
  margin?: number;
}

/** (S_w - S_l - 1 / (2 beta))^2, max(0, 1 - beta (S_w - S_l)), (2 / beta) log(1 + e^(beta S)), (S -+ 1 / (2 beta))^2. */
export interface PlainTerm extends Drift {
  kind: 'square-pair' | 'hinge-pair' | 'npo' | 'sppo';
}

/** weight (1 - sigmoid(+-beta (S - z0))), + and the desirable weight where A > 0. */
export interface KtoTerm extends Drift {
  kind: 'kto';
  z0: number;
  desirable?: number;
  undesirable?: number;
}

export type SequenceTerm = SquareTerm | LogisticPairTerm | PlainTerm | KtoTerm;

export interface Objective {
  name: string;
  gate: Gate;
  sequenceTerm: SequenceTerm | null;
  tokenMask?: TokenMask;
  /** Sequences with A < 0 and mean(behaviour - logp) above this have no gates (OPSM, arXiv 2512.02556). */
  sequenceMask?: number;
  importance?: Importance;
  kl?: Kl;
}

/** Terms that every policy-gradient preset can have beside its gate. */
export type Extras = Pick<Objective, 'kl' | 'importance' | 'sequenceMask'>;

export interface ConstraintOptions extends Extras {
  tau?: number;
  anchor?: Anchor;
}

export interface RatioOptions extends Extras, Partial<Ratio> {}

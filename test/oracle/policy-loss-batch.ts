/** A batch in float64, sequence by sequence, and the sums over one that the losses need. */

/** One token's inputs. A token that is not `kept` contributes nothing and its numbers are not looked at. */
export interface OracleToken {
  logp: number;
  old: number;
  behaviour: number;
  ref: number;
  weight: number;
  kept: boolean;
  /** Its own advantage; default: the sequence's. */
  advantage?: number;
}

export interface OracleSequence {
  advantage: number;
  scale: number;
  tokens: OracleToken[];
}

export type OracleAnchor = 'old' | 'behaviour' | 'ref';
export type Level = 'token' | 'sequence-sum' | 'sequence-mean';

export function keptOf(sequence: OracleSequence): OracleToken[] {
  return sequence.tokens.filter((token) => token.kept);
}

export function sumOver(sequence: OracleSequence, value: (token: OracleToken) => number): number {
  return keptOf(sequence).reduce((sum, token) => sum + value(token), 0);
}

/** The sum over kept tokens of logp - anchor (of logp alone without one), or its mean. */
export function driftOf(sequence: OracleSequence, anchor: OracleAnchor | null, mean = false): number {
  const sum = sumOver(sequence, (token) => token.logp - (anchor === null ? 0 : token[anchor]));
  return mean ? sum / Math.max(keptOf(sequence).length, 1) : sum;
}

/** The same batch with one log-prob moved. */
export function moved(sequence: OracleSequence, token: OracleToken, shift: number): OracleSequence {
  const tokens = sequence.tokens.map((other) =>
    other === token ? { ...token, logp: token.logp + shift } : other,
  );
  return { ...sequence, tokens };
}

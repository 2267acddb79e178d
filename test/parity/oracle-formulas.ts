import type { Aggregation, AggregationOptions } from '../../lib/kernels/aggregation.ts';
import type { OracleKl, OracleObjective, OracleRatio } from '../oracle/policy-loss-family.ts';

/** A trainer's formula as the float64 oracle takes it. */
export interface OracleFormula {
  objective: OracleObjective;
  aggregation: Aggregation;
  options?: AggregationOptions;
  /** Every sequence's scale, where no aggregation says it. */
  scale?: (sequences: number) => number;
  /** Each token has an advantage of its own. */
  perToken?: boolean;
}

/** Parameters as the Python functions name them. A formula looks only at its own; absent optional ones are off. */
export type Given = Record<
  'low' | 'high' | 'beta' | 'tau' | 'positive' | 'negative' | 'threshold' | 'cap' | 'coefficient' | 'epsilon',
  number
> &
  Record<'quality' | 'floor' | 'z0' | 'desirable' | 'undesirable' | 'gamma' | 'smoothing', number> & {
    dual?: number;
    delta?: number;
    length?: number;
    k: [number, number];
    rate: [number, number];
    level?: string;
    kind: string;
    mode: string;
    loss_type?: string;
    corrected?: boolean;
    token_level?: boolean;
  };

export type Formulas = Record<string, (given: Given) => OracleFormula>;

export const OLD: OracleRatio = { anchor: 'old', level: 'token' };
export const BEHAVIOUR: OracleRatio = { anchor: 'behaviour', level: 'token' };
export const NONE: OracleRatio = { anchor: null, level: 'token' };
export const MEAN: OracleRatio = { anchor: 'old', level: 'sequence-mean' };

export const k3 = (coefficient: number): OracleKl => ({
  kind: 'k3',
  anchor: 'ref',
  coefficient,
  gradient: 'own',
});

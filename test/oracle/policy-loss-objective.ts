import type { Objective } from '../../lib/kernels/objectives.ts';
import { driftOf, type OracleSequence } from './policy-loss-batch.ts';
import type { OracleObjective } from './policy-loss-family.ts';
import * as gates from './policy-loss-gates.ts';
import * as losses from './policy-loss-sequences.ts';

/** The library's description of an objective, its numbers rounded as the C ABI holds them, in the oracle's terms. */
export function oracleObjective({ gate, sequenceTerm }: Objective): OracleObjective {
  const objective: OracleObjective =
    gate.kind === 'unit'
      ? { gate: gates.unit, ratio: { anchor: null, level: 'token' } }
      : {
          gate: gates.clipSurrogate(Math.fround(gate.clipLow), Math.fround(gate.clipHigh)),
          ratio: { anchor: gate.anchor, level: 'token' },
        };
  if (sequenceTerm === null) return objective;
  const tau = Math.fround(sequenceTerm.tau);
  const square = (of: OracleSequence) => of.scale * losses.square(driftOf(of, sequenceTerm.anchor), tau);
  return { ...objective, whole: (all) => all.reduce((sum, of) => sum + square(of), 0) };
}

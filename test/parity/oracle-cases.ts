import { sequenceScales } from '../../lib/kernels/aggregation.ts';
import type { OracleSequence } from '../oracle/policy-loss-batch.ts';
import type { BatchEntry, PolicyCase, Reference } from './manifest.ts';
import type { Given, OracleFormula } from './oracle-formulas.ts';
import { OPENRLHF, OTHERS, PREFERENCES } from './oracle-rest.ts';
import { TRL } from './oracle-trl.ts';
import { VERL } from './oracle-verl.ts';

const TRAINERS = { TRL: { ...TRL, ...PREFERENCES }, verl: VERL, OpenRLHF: OPENRLHF, ...OTHERS };

/** The oracle's form of a case; its trainer is the start of its source. */
export function oracleFormula({ source, formula, parameters }: PolicyCase): OracleFormula {
  const trainer = Object.entries(TRAINERS).find(([name]) => source.startsWith(name));
  const build = (trainer?.[1] ?? PREFERENCES)[formula];
  if (build === undefined) throw new TypeError(`no oracle for ${source}: ${formula}`);
  return build(parameters as unknown as Given);
}

/** The packed batch as sequences of tokens, scaled as the formula says. */
export function oracleSequences(
  reference: Reference,
  batch: BatchEntry,
  { aggregation, options = {}, scale, perToken = false }: OracleFormula,
): OracleSequence[] {
  const column = (name: 'logp' | 'old' | 'behaviour' | 'ref' | 'tokenAdvantages') =>
    reference.array(batch[name], 'f');
  const columns = {
    logp: column('logp'),
    old: column('old'),
    behaviour: column('behaviour'),
    ref: column('ref'),
  };
  const own = column('tokenAdvantages');
  const ends = reference.array(batch.cuSeqlens, 'i');
  const mask = reference.array(batch.mask, 'B');
  const advantages = reference.array(batch.advantages, 'f');
  const sequences = Array.from(advantages, (advantage, i) => {
    const tokens = Array.from({ length: ends[i + 1]! - ends[i]! }, (_, k) => {
      const t = ends[i]! + k;
      const logps = {
        logp: columns.logp[t]!,
        old: columns.old[t]!,
        behaviour: columns.behaviour[t]!,
        ref: columns.ref[t]!,
      };
      const token = { ...logps, weight: 1, kept: mask[t] === 1 };
      return perToken ? { ...token, advantage: own[t]! } : token;
    });
    return { advantage, scale: 0, tokens };
  });
  const lengths = sequences.map(({ tokens }) => tokens.filter((token) => token.kept).length);
  const scales = sequenceScales(aggregation, lengths, options).data;
  return sequences.map((sequence, i) => ({
    ...sequence,
    scale: scale === undefined ? scales[i]! : scale(sequences.length),
  }));
}

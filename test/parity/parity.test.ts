import { afterAll, describe, expect, it } from 'vitest';
import { type PolicyLossInput, policyLossSync } from '../../lib/kernels/policy-loss.ts';
import { floats } from '../kernels/batches.ts';
import { pack } from '../kernels/sequences.ts';
import type { OracleSequence } from '../oracle/policy-loss-batch.ts';
import { familyGradient, familyLoss } from '../oracle/policy-loss-family.ts';
import { pythonWithTorch } from '../policy/python-environment.ts';
import { ErrorTable, relativeError } from './errors.ts';
import { estimates } from './estimators.ts';
import { compareHead, supportsHead } from './heads.ts';
import { kernelObjective } from './kernel-objectives.ts';
import { type PolicyCase, Reference } from './manifest.ts';
import { oracleFormula, oracleSequences } from './oracle-cases.ts';

const python = await pythonWithTorch();
const reference = python === null ? null : await Reference.compute(python);
const heads = (reference?.manifest.heads ?? []).filter(supportsHead);
const cases = reference?.manifest.cases ?? [];
const table = new ErrorTable();
const oracleTable = new ErrorTable();

function labelled(given: PolicyCase) {
  return [
    `${given.source}: ${given.formula} ${JSON.stringify(given.parameters)}, ${given.batch}`,
    given,
  ] as const;
}

/** Of f32 sums and one exp; a gradient by logits is stored in their dtype, to half a unit in its last place. */
const TOLERANCE = { f32: 1e-5, bf16: 2 ** -8, f16: 2 ** -11 };

/** SPPO's preferred answers are the first of each pair; NFT has one share of right answers for the batch. */
function kernelBatch(given: PolicyCase, sequences: OracleSequence[]): PolicyLossInput {
  const batch = pack(kernelObjective(given)!, sequences);
  if (given.formula === 'dpo sppo_hard') {
    batch.advantages = floats(sequences.map((_, i) => (i % 2 === 0 ? 1 : -1)));
  }
  const { quality } = given.parameters;
  return quality === undefined
    ? batch
    : { ...batch, nftQuality: floats(sequences.map(() => Number(quality))) };
}

describe.skipIf(reference === null)('parity with torch', () => {
  it('has cases', () => {
    expect(heads.length).toBeGreaterThan(4);
    expect(cases.length).toBeGreaterThan(200);
  });

  it.each(heads.map((given) => [given.name, given] as const))('%s', (name, given) => {
    const errors = { value: 0, gradient: 0 };
    for (const { output, kind, actual, expected } of compareHead(reference!, given)) {
      const error = relativeError(actual, expected);
      errors[kind] = Math.max(errors[kind], error);
      const tolerance = TOLERANCE[output === 'dlogits' ? (given.dtype ?? 'f32') : 'f32'];
      expect(error, `${name}: ${output}`).toBeLessThan(tolerance);
    }
    table.add(name, given.source, '', errors.value, errors.gradient);
  });
});

describe.skipIf(reference === null)('advantages and torch', () => {
  const given = reference?.manifest.estimators;
  it.each((given?.expected ?? []).map((entry) => [entry.name, entry] as const))('%s', (name, entry) => {
    const actual = estimates(reference!, given!)[name]!();
    const error = relativeError(actual.data, reference!.array(entry.values, 'd'));
    table.add(`advantages, ${name}`, entry.source, '', error, 0);
    expect(error, name).toBeLessThan(2e-7);
  });
});

describe.skipIf(reference === null)('the policy loss and torch', () => {
  const supported = cases.filter((given) => kernelObjective(given) !== null);
  it.each(supported.map(labelled))('%s', (name, given) => {
    const formula = oracleFormula(given);
    const batch = reference!.manifest.batches.find((entry) => entry.name === given.batch)!;
    const sequences = oracleSequences(reference!, batch, formula);
    const { dlogp, diagnostics } = policyLossSync(kernelBatch(given, sequences));
    const lossError = Math.abs(diagnostics.loss - given.loss) / Math.max(1e-3, Math.abs(given.loss));
    const gradientError = relativeError(dlogp.data, reference!.array(given.gradient, 'd'));
    table.add(given.formula, given.source, given.note, lossError, gradientError);
    expect(lossError, `${name}: loss ${diagnostics.loss}, torch ${given.loss}`).toBeLessThan(TOLERANCE.f32);
    expect(gradientError, `${name}: gradient`).toBeLessThan(TOLERANCE.f32);
  });
});

/** The oracle is only as good as its own formulas: it is held to torch's, scales being f32. */
describe.skipIf(reference === null)('the oracle and torch', () => {
  it.each(cases.map(labelled))('%s', (name, given) => {
    const formula = oracleFormula(given);
    const batch = reference!.manifest.batches.find((entry) => entry.name === given.batch)!;
    const sequences = oracleSequences(reference!, batch, formula);
    const loss = familyLoss(formula.objective, sequences);
    const lossError = Math.abs(loss - given.loss) / Math.max(1e-3, Math.abs(given.loss));
    const gradient = familyGradient(formula.objective, sequences);
    const gradientError = relativeError(gradient, reference!.array(given.gradient, 'd'));
    oracleTable.add(given.formula, given.source, given.note, lossError, gradientError);
    expect(lossError, `${name}: loss ${loss}, torch ${given.loss}`).toBeLessThan(1e-6);
    expect(gradientError, `${name}: gradient`).toBeLessThan(1e-6);
  });
});

afterAll(() => {
  if (reference !== null) console.log(`\n${table}`);
  if (process.env.LAPIDARY_SHOW_ERRORS !== undefined) console.log(`The oracle and torch:\n${oracleTable}`);
});

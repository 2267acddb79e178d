import { afterAll, describe, expect, it } from 'vitest';
import { pythonWithTorch } from '../policy/python-environment.ts';
import { ErrorTable, relativeError } from './errors.ts';
import { compareHead } from './heads.ts';
import { Reference } from './manifest.ts';

const python = await pythonWithTorch();
const reference = python === null ? null : await Reference.compute(python);
const heads = reference?.manifest.heads ?? [];
const table = new ErrorTable();

/** Of f32 sums and one exp; a gradient by logits is stored in their dtype, to half a unit in its last place. */
const TOLERANCE = { f32: 1e-5, bf16: 2 ** -8, f16: 2 ** -11 };

describe.skipIf(reference === null)('parity with torch', () => {
  it('has cases', () => {
    expect(heads.length).toBeGreaterThan(5);
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

afterAll(() => {
  if (reference !== null) console.log(table.toString());
});

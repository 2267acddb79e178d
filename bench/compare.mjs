// Whether a peer gives the library's answer. The library's own is held to float64 oracles by the tests.
import { readFileSync } from 'node:fs';

const load = (file) => {
  const bytes = readFileSync(file);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
};

/** Largest absolute difference, or the norm of the difference relative to the norm of `expected`; NaN counts as inf. */
function difference(kind, expected, got) {
  if (expected.length !== got.length) return Infinity;
  let largest = 0;
  let squares = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    const gap = Math.abs(expected[i] - got[i]);
    if (!(gap <= largest)) largest = Number.isNaN(gap) ? Infinity : gap;
    squares += gap * gap;
    norm += expected[i] ** 2;
  }
  const error = kind === 'absolute' ? largest : Math.sqrt(squares / norm);
  return Number.isNaN(error) ? Infinity : error;
}

/** `tolerances`: {output: {absolute or relative: limit}}; `expected` and `got`: {output: file}. */
export function compareOutputs(tolerances, expected, got) {
  const errors = {};
  let right = true;
  for (const [output, tolerance] of Object.entries(tolerances)) {
    const [kind, limit] = Object.entries(tolerance)[0];
    errors[output] = got[output] ? difference(kind, load(expected[output]), load(got[output])) : Infinity;
    if (!(errors[output] <= limit)) right = false;
  }
  return { right, errors };
}

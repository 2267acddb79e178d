import { describe, expect, it } from 'vitest';
import { evaluateExactly } from '../../lib/verify/exact-evaluation.ts';
import { parseExpression } from '../../lib/verify/expression-parser.ts';
import { testIdentity } from '../../lib/verify/identity-test.ts';
import { evaluateNumerically } from '../../lib/verify/numeric-evaluation.ts';
import { seededRandom } from '../random.ts';

/** Decimal digits of a constant expression, cut off. */
function digits(text: string, places: number): string {
  const value = evaluateNumerically(parseExpression(text)!, {
    bits: 400,
    point: new Map(),
    bareLog: 'natural',
  })!;
  const scaled = value.re.m * 10n ** BigInt(places);
  const { e } = value.re;
  return (e >= 0 ? scaled << BigInt(e) : scaled >> BigInt(-e)).toString();
}

describe('high precision', () => {
  it.each([
    // From published tables of constants.
    ['\\pi', '314159265358979323846264338327950288419716939937510'],
    ['e', '271828182845904523536028747135266249775724709369995'],
    ['\\sqrt{2}', '141421356237309504880168872420969807856967187537694'],
    ['\\ln 2', '69314718055994530941723212145817656807550013436025'],
    ['\\ln 10', '230258509299404568401799145468436420760110148862877'],
    ['4\\arctan 1', '314159265358979323846264338327950288419716939937510'],
    ['\\sqrt[3]{2}', '125992104989487316476721060727822835057025146470150'],
    ['\\sin 1', '84147098480789650665250232163029899962256306079837'],
    ['\\cos 1', '54030230586813971740093660744297660373231042061792'],
    ['\\frac{1+\\sqrt5}{2}', '161803398874989484820458683436563811772030917980576'],
  ])('%s', (text, expected) => {
    expect(digits(text, 50)).toBe(expected);
  });

  const FUNCTIONS: Record<string, (x: number) => number> = {
    ...{
      sin: Math.sin,
      cos: Math.cos,
      tan: Math.tan,
      arcsin: Math.asin,
      arccos: Math.acos,
      arctan: Math.atan,
    },
    ...{ sinh: Math.sinh, cosh: Math.cosh, tanh: Math.tanh, ln: Math.log, exp: Math.exp, sqrt: Math.sqrt },
  };

  it.each(Object.keys(FUNCTIONS))('%s is that of float64', (name) => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = seededRandom(seed);
      const narrow = name === 'arcsin' || name === 'arccos';
      const positive = name === 'ln' || name === 'sqrt';
      const x = Math.fround((positive ? random.next() : random.next() * 2 - 1) * (narrow ? 1 : 30));
      const argument = `(${x < 0 ? '-' : ''}${Math.abs(x).toFixed(30)})`;
      const expression = parseExpression(`\\${name}${name === 'sqrt' ? argument : argument}`)!;
      const found = evaluateNumerically(expression, { bits: 200, point: new Map(), bareLog: 'natural' })!;
      const shift = Math.max(0, found.re.m.toString(2).length - 60);
      const value = Number(found.re.m >> BigInt(shift)) * 2 ** (found.re.e + shift);
      expect(Math.abs(value - FUNCTIONS[name]!(x)), `seed ${seed}: ${name}(${x}) = ${value}`).toBeLessThan(
        1e-13 * Math.max(1, Math.abs(value)) ** 2,
      );
    }
  });
});

describe('random expressions', () => {
  const term = (random: ReturnType<typeof seededRandom>, depth: number): string => {
    const kind = depth === 0 ? random.int(0, 1) : random.int(0, 6);
    const next = (): string => term(random, depth - 1);
    if (kind === 0) return `${random.int(0, 30)}`;
    if (kind === 1) return random.pick(['x', 'y']);
    if (kind === 2) return `(${next()}+${next()})`;
    if (kind === 3) return `(${next()}-${next()})`;
    if (kind === 4) return `(${next()})*(${next()})`;
    if (kind === 5) return `(${next()})^{${random.int(1, 4)}}`;
    return `\\frac{${next()}}{${random.int(1, 9)}}`;
  };

  it('have the same value exactly and in floats', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = seededRandom(seed);
      const expression = parseExpression(term(random, 4))!;
      const point = new Map([
        ['x', { num: BigInt(random.int(-9, 9)), den: 7n }],
        ['y', { num: BigInt(random.int(-9, 9)), den: 4n }],
      ]);
      const exact = evaluateExactly(expression, point)!.re;
      const found = evaluateNumerically(expression, { bits: 200, point, bareLog: 'natural' })!.re;
      // |m 2^e − num/den| below 2^-100
      const scale = 1n << 400n;
      const left = found.e >= -400 ? found.m << BigInt(400 + found.e) : found.m >> BigInt(-400 - found.e);
      const gap = left - (exact.num * scale) / exact.den;
      expect(gap < 0n ? -gap : gap, `seed ${seed}`).toBeLessThan(1n << 300n);
    }
  });

  it('are equal to themselves spread out, and to nothing that is off by one', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const text = term(seededRandom(seed), 3);
      const a = parseExpression(text)!;
      expect(testIdentity(a, parseExpression(`(${text})*(x+1)-x*(${text})`)!), `seed ${seed}: ${text}`).toBe(
        'exact',
      );
      expect(testIdentity(a, parseExpression(`${text}+10^{-30}`)!), `seed ${seed}: ${text}`).toBe(
        'different',
      );
    }
  });
});

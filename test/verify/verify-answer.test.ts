import { describe, expect, it } from 'vitest';
import { verifyAnswer, verifyText } from '../../lib/verify/verify-answer.ts';
import { parseRational } from '../../lib/verify/written-number.ts';

const boxed = (answer: string): string => `So the result is \\boxed{${answer}}.`;
const verdict = (gold: string, given: string): string => verifyAnswer(boxed(given), gold).verdict;

/** Gold answer and ways to write it. */
const EQUAL: readonly (readonly [string, readonly string[]])[] = [
  [
    '194',
    [
      '194',
      '194.0',
      '0194',
      '+194',
      '194.',
      '$194$',
      '\\$194',
      '194\\text{ miles}',
      'x = 194',
      '25 + 169 = 194',
      '25+169',
      '\\text{194}',
      '194 hours',
      '194^\\circ',
    ],
  ],
  ['033', ['33', '33.00', '33 \\text{ cm}^2']],
  ['1234567', ['1,234,567', '1{,}234{,}567', '1234567', '1,\\!234,\\!567']],
  [
    '-\\frac{3}{4}',
    ['-\\dfrac{3}{4}', '-3/4', '-0.75', '\\frac{-3}{4}', '\\tfrac{-6}{8}', '−3/4', '-\\frac34', '-75\\%'],
  ],
  ['$\\frac{1}{2}$', ['1/2', '0.5', '.5', '\\frac12', '\\dfrac{1}{2}', '50\\%', '\\frac{2}{4}']],
  ['2.5', ['5/2', '2\\frac{1}{2}', '2 1/2', '\\frac{5}{2}']],
  ['50', ['50\\%', '50', '\\sqrt{2500}', '5 \\cdot 10', '2 \\times 5^2']],
  ['10\\%', ['0.1', '10', '10\\%', '1/10']],
  ['7\\pi', ['7\\pi', '7 \\pi', '7\\cdot\\pi', '7π', '7*\\pi']],
  [
    '3 \\pm 2 \\sqrt{2}',
    [
      '3 + 2\\sqrt{2}, 3 - 2\\sqrt{2}',
      '3\\pm2\\sqrt2',
      '3-2\\sqrt{2} \\text{ and } 3+2\\sqrt{2}',
      '\\{3+2\\sqrt{2}, 3-2\\sqrt{2}\\}',
    ],
  ],
  ['$y=2 x^{2}-18$', ['y = 2x^2 - 18', 'y=2x^{2}-18', '2x^2-18', '2x^2 - 18 = y']],
  ['y = -2x', ['y=-2x', '-2x']],
  ['(1, 2)', ['(1,2)', '\\left(1, 2\\right)', '(1.0, \\frac{4}{2})']],
  ['1, 2, 3', ['3, 2, 1', '\\{1,2,3\\}', '1, 2 \\text{ and } 3']],
  ['[4, 3, 6, 1]', ['[4,3,6,1]', '[4, 3, 6, 1.0]']],
  ['{1: 2, 2: 4}', ['{2: 4, 1: 2}', '{1:2,2:4}']],
  ["'*ume;*vo'", ['*ume;*vo', "'*ume;*vo'", '"*ume;*vo"']],
  ["['a', ' b c']", ['["a", " b c"]', "['a',' b c']"]],
  ['B', ['B', '(B)', '\\text{B}', '\\textbf{(B)}', 'B.']],
  ['\\text{no solution}', ['No solution', '\\text{No solution.}']],
  ['0', ['0', '-0', '0.0', '0/5', '0%']],
];

describe('equal answers', () => {
  it.each(EQUAL.flatMap(([gold, givens]) => givens.map((given) => [gold, given] as const)))(
    '%s is %s',
    (gold, given) => {
      // A JSON field carries any text, a box only balanced braces: both must agree.
      expect(verdict(gold, given)).toBe('right');
      expect(verifyAnswer(`{"answer": ${JSON.stringify(given)}}`, gold).verdict).toBe('right');
    },
  );
});

/** Answers that look nearly the same: a digit changed, added or lost, the sign flipped, a fraction swapped. */
function nearMisses(given: string): string[] {
  const misses = new Set<string>();
  for (const match of given.matchAll(/\d+/g)) {
    const [digits] = match;
    const before = given.slice(0, match.index);
    const after = given.slice(match.index + digits.length);
    misses.add(`${before}${BigInt(digits) + 1n}${after}`);
    misses.add(`${before}${digits}7${after}`);
    misses.add(`${before}9${digits}${after}`);
  }
  misses.add(/^[-−]/.test(given) ? given.slice(1) : `-${given}`);
  misses.add(given.replace(/^(-?)(\d+)\/(\d+)$/, '$1$3/$2'));
  misses.add(given.replace(/\\([dt]?frac)\{(-?\d+)\}\{(\d+)\}/, '\\$1{$3}{$2}'));
  misses.delete(given);
  return [...misses];
}

/** Misses that are the same answer after all: another unit power, a leading side that is not the answer, -0, 10/1 for 10%. */
const STILL_EQUAL = /cm|\^\\circ|= 194$|^-?0|0\/|^\{|1{,}|^1\/10$/;

describe('near misses', () => {
  it('are never right', () => {
    let checked = 0;
    for (const [gold, givens] of EQUAL) {
      for (const miss of givens.flatMap((given) => (STILL_EQUAL.test(given) ? [] : nearMisses(given)))) {
        expect(verdict(gold, miss), `${gold} against ${miss}`).not.toBe('right');
        checked++;
      }
    }
    expect(checked).toBeGreaterThan(200);
  });

  it('are wrong where the gold answer and the miss are numbers', () => {
    for (const [gold, givens] of EQUAL) {
      if (!/^-?[\d/.]+$/.test(gold)) continue;
      for (const miss of givens
        .filter((given) => /^-?[\d/.]+$/.test(given) && !/^-?0/.test(given))
        .flatMap(nearMisses)) {
        expect(verdict(gold, miss), `${gold} against ${miss}`).toBe('wrong');
      }
    }
  });
});

describe('other forms', () => {
  it.each([
    ['901', '\\text{infinitely many}', 'wrong', 'prose-without-gold'],
    ['901', 'all integers $n$ except 1000', 'wrong', 'prose-without-gold'],
    ['17', 'seventeen', 'unknown', 'prose'],
    ['17', 'either 17 or not 17 at all', 'unknown', 'prose'],
    ['3 \\pm 2 \\sqrt{2}', '\\text{No real solutions}', 'wrong', 'form-differs'],
    ['\\text{no solution}', '5', 'wrong', 'form-differs'],
    ['\\text{no solution}', '\\text{none exist}', 'unknown', 'prose'],
    ['7', '7, 9', 'wrong', 'form-differs'],
    ['[4, 3]', '[4, 3, 1]', 'wrong', 'length-differs'],
    ['(0, 1)', '[0, 1]', 'unknown', 'symbolic'],
    ['1/2', '\\dfrac{\\sqrt{5} - 1}{2}', 'wrong', 'value-differs'],
    ['2\\sqrt{2}', '\\sqrt{8}', 'unknown', 'symbolic'],
    ['x^2 - 1', '(x-1)(x+1)', 'unknown', 'symbolic'],
    ['y = 2x', 'y = 3x', 'unknown', 'symbolic'],
    ['x = 2', 'x = 3', 'wrong', 'rational-differs'],
    ['B', '(C)', 'wrong', 'choice-differs'],
    ["'Ab'", 'ab', 'wrong', 'literal-differs'],
    ["['a', 'b']", "['a', 'b'", 'unknown', 'symbolic'],
    ['0.5', '0.5\\%', 'wrong', 'rational-differs'],
    ['5', '2x', 'unknown', 'symbolic'],
    ['6', '2xy', 'unknown', 'symbolic'],
    ['1/3', '0.333', 'wrong', 'rational-differs'],
    ['4', '\\sqrt(2)', 'wrong', 'value-differs'],
  ])('%s against %s is %s by %s', (gold, given, expected, rule) => {
    expect(verifyAnswer(`{"answer": ${JSON.stringify(given)}}`, gold)).toMatchObject({
      verdict: expected,
      rule,
    });
  });

  it('says no-answer where there is none', () => {
    expect(verifyAnswer('I do not know', '5')).toEqual({
      verdict: 'unknown',
      rule: 'no-answer',
      extracted: null,
      extraction: null,
    });
  });

  it('reads exact numbers only', () => {
    expect(parseRational('0.1')).toEqual({
      value: { num: 1n, den: 10n },
      percent: false,
      unit: null,
      decimals: 1,
    });
    for (const text of [
      '',
      '.',
      '1/0',
      '1.2.3',
      '12,34',
      '1e5',
      '--1',
      'x',
      '9'.repeat(5000),
      '1/',
      '/2',
      '5 of 6',
    ]) {
      expect(parseRational(text), text.slice(0, 20)).toBeNull();
    }
  });
});

describe('ground truth', () => {
  it.each(['', '  ', '$$', '$ $', '\\frac{1}{2', '\\boxed{}'])('refuses %j', (gold) => {
    expect(() => verifyAnswer('\\boxed{1}', gold)).toThrowError(
      expect.objectContaining({ code: 'ERR_LAPIDARY_DATA', argument: 'ground_truth' }),
    );
  });
});

describe('verifyText', () => {
  it('compares normalised text only', () => {
    expect(verifyText('Answer: Paris.', 'paris').verdict).toBe('right');
    expect(verifyText('Answer: London', 'Paris')).toMatchObject({ verdict: 'wrong', rule: 'text-differs' });
    expect(verifyText(boxed('0.5'), '1/2').verdict).toBe('wrong');
  });
});

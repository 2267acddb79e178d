import { describe, expect, it } from 'vitest';
import { ArithmeticJudge } from '../../lib/judge/arithmetic-judge.ts';
import { findEquations } from '../../lib/judge/find-equations.ts';
import { seededRandom } from '../random.ts';

async function judge(text: string, options = {}, rest: string[] = []) {
  const request = { rolloutId: 'r', problem: '', groundTruth: null, steps: [text, ...rest] };
  return (await new ArithmeticJudge(options).judge(request)).judgements[0]!;
}

describe('the arithmetic judge calls right', () => {
  it.each([
    '3 + 4 = 7',
    'So we get 3 + 4 = 7 apples.',
    'The total is \\( 21 \\times 7 = 147 \\). Since there are two, \\[ 2 \\times 147 = 294 \\]',
    '$\\frac{1}{2} = 0.5$',
    '\\frac12 + \\frac{1}{3} = \\dfrac{5}{6}',
    '12*3 = 36 = 6^2',
    '2^{10} = 1{,}024 and 2**10 = 1,024',
    '84 ÷ 4 = 21, 3 × 7 = 21, 5 − 8 = -3, 3·4 = 12',
    '5! = 120',
    '3² + 4² = 25',
    '\\binom{7}{2} = 21',
    '\\sqrt{16} + 1 = 5',
    '10/3 ≈ 3.33',
    '22/7 \\approx 3.14',
    '1. 3 + 4 = 7',
    '- 3 + 4 = 7',
    'S = 3 + 4 = 7',
    '(since 3 + 4 = 7)',
    '**Total:** 3 + 4 = 7',
    '$12 + $5 = $17',
    '2(3 + 4) = 14',
    '\\begin{align} 3 + 4 &= 7 \\\\ &= 10 - 3 \\end{align}',
    '3 x 4 = 12',
    '3 + 4 = 7 (because we add)',
    'x = 3 + 4 = 7',
    '3 + 4 = 8? No, wait: 3 + 4 = 7',
    '= \\boxed{3 + 4} = 7',
  ])('%s', async (text) => {
    expect(await judge(text)).toMatchObject({ label: 'right', score: 1 });
  });
});

describe('the arithmetic judge calls wrong', () => {
  it.each([
    ['3 + 4 = 8', '3 + 4 = 8'],
    ['Then we have $12 \\cdot 5 \\cdot 5 = 60$ ways.', '12 \\cdot 5 \\cdot 5 = 60'],
    ['3 + 4 = 7 and so 7 * 2 = 15.', '7 * 2 = 15'],
    ['\\binom{302}{2} = 45,301', '45,301'],
    ['\\frac{1170}{1320} = \\frac{9}{11}', '\\frac{9}{11}'],
    ['1000/3 ≈ 400', '1000/3 ≈ 400'],
    ['From 101 to 999: 999 - 101 + 1 = 900', '999 - 101 + 1 = 900'],
    ['2 \\times 3432 = 686.', '686'],
    ['She has 5 + 6 = 12 eggs', '5 + 6 = 12'],
    ['12 = 3 * 5', '12 = 3 * 5'],
  ])('%s', async (text, quote) => {
    const judgement = await judge(text);
    expect(judgement).toMatchObject({ label: 'wrong', score: 0, recovers: false });
    expect(judgement.reason).toContain('false equation');
    expect(judgement.reason).toContain(quote);
  });
});

describe('the arithmetic judge abstains from', () => {
  it.each([
    ['variables', 'x = 3 + 4, n=5, a_1 = 2, 2x = 6, 3y + 1 = 4, f(3) = 7, 2\\pi = 6'],
    [
      'functions and sums',
      'gcd(12, 8) = 5, \\log 100 = 3, \\sum_{i=1}^{3} 2 = 7, |3-5| = 3, C(4,1) = 5, P(3) = 4 + 1',
    ],
    ['residues', '2^3 = 3 (mod 5)'],
    ['residues in words', '17 + 9 = 2 mod 8, 27 ≡ 3 mod 8'],
    ['residue chains', '7^2 = 9 = -1 \\pmod{10}'],
    ['residues announced before', 'Work modulo 7. Then 3 * 5 = 1.'],
    ['bases', '101_2 = 5, (101)_2 = 2 + 4, 0x10 = 4 * 5'],
    ['coordinates and sets', '(1,2) = (3,4), {1,2} = 5 + 1'],
    ['trivial claims', '7 = 7, 3 + 4 = 3 + 4, 5 = 5'],
    ['contradictions', 'which gives 0 = 5'],
    ['rounding with "="', '1/3 = 0.33, 10/3 = 3, 2/3 = 0.67'],
    ['remainders', '17/5 = 3 remainder 2, 17 / 5 = 3 R 2 and 17/5 = 3, remainder 2'],
    ['units', '30 * 2 = 1 hour, 12 inches = 1 foot, 6 * 2 = 1 dozen'],
    ['percentages', '20% = 0.5, 5% of 200 = 11'],
    ['words that go on', 'half of 4 + 6 = 5; twice 3 + 4 = 14; the sum of 1, 2, 3 * 4 = 15'],
    ['labels before a dash', 'Step 3 - 4 + 5 = 9'],
    ['running totals', '3 + 4 = 7 + 5 = 12 - 1'],
    ['sums cut short', '1 + 2 + ... + 10 = 54, 1/3 = 0.333..., 3 apples + 4 + 1 = 9'],
    ['continued lines', '\\[ 20 = 4 + 5 \\\\ + 11 \\] and 12 = 3 + 4 +\n 5'],
    ['questions and negations', 'Is 3 + 4 = 8? Clearly 3 + 4 = 8 is not true.'],
    ['hypotheses', 'If 2 + 2 = 5 then all is lost'],
    ['code', 'assert 3 + 4 == 8; x != 5; 7 // 2 = 4 + 1; "a" + 1 = 2'],
    ['dates and ratios', '3:4 = 6:9, 12/25/2024 = 1'],
    ['prose', 'Let us think about the problem.'],
    ['mixed numbers', '3 \\frac{1}{2} = 3/2'],
    ['doubtful notation', '-2^2 = 4, 6/2(1+2) = 1'],
    ['huge powers', '2^{99999999} = 1 + 1, 9^9^9 = 1 + 1, 5000! = 1 + 1'],
  ])('%s', async (_, text) => {
    expect(await judge(text)).toMatchObject({ label: 'abstain', score: null });
  });

  it('a statement that the next step takes back', async () => {
    expect(await judge('The equation becomes: 0 - 0 + 0 = 9', {}, ['which is not true.'])).toMatchObject({
      label: 'abstain',
    });
  });
});

describe('with a modulus', () => {
  it('compares residues', async () => {
    expect(await judge('3 + 12 = 2 ;', { modulus: 13 })).toMatchObject({ label: 'right' });
    expect(await judge('7 - 9 = 11 ;', { modulus: 13 })).toMatchObject({ label: 'right' });
    expect(await judge('6 * 6 = 10 ;', { modulus: 13 })).toMatchObject({ label: 'right' });
    expect(await judge('6 * 6 = 11 ;', { modulus: 13 })).toMatchObject({ label: 'wrong' });
    expect(await judge('1/2 = 7 ;', { modulus: 13 })).toMatchObject({ label: 'right' });
  });

  it('agrees with integer arithmetic on random facts', async () => {
    const random = seededRandom(3);
    for (let i = 0; i < 300; i++) {
      const [a, b, c] = [random.int(0, 12), random.int(0, 12), random.int(0, 12)];
      const symbol = random.pick(['+', '-', '*']);
      const exact = symbol === '+' ? a + b : symbol === '-' ? a - b : a * b;
      const label = (((exact - c) % 13) + 13) % 13 === 0 ? 'right' : 'wrong';
      expect(await judge(`${a} ${symbol} ${b} = ${c} ;`, { modulus: 13 })).toMatchObject({ label });
    }
  });
});

describe('recovery', () => {
  it('needs a marker and a right step', async () => {
    expect(await judge('Wait, let me redo this: 3 + 4 = 7.')).toMatchObject({
      label: 'right',
      recovers: true,
    });
    expect(await judge('So 3 + 4 = 7.')).toMatchObject({ label: 'right', recovers: false });
    expect(await judge('Correction. The sum is 3 + 4 = 8.')).toMatchObject({ recovers: false });
    expect(await judge('? 3 + 4 = 7 ;', { modulus: 13 })).toMatchObject({ recovers: true });
  });
});

describe('the scanner and parser', () => {
  it('never throw, whatever the text', () => {
    const random = seededRandom(11);
    const pieces = [
      '3',
      '=',
      '+',
      '-',
      '\\frac',
      '{',
      '}',
      '(',
      ')',
      '$',
      '\\',
      '^',
      '!',
      '\n',
      ' ',
      'x',
      '≈',
      '.',
      ',',
    ];
    pieces.push(
      '\\text{',
      '\\begin{',
      '\ud835',
      '🎉',
      '\0',
      '**',
      '1,234',
      '\\sqrt',
      '\\binom',
      '_',
      '|',
      '½',
      '۳',
    );
    for (let i = 0; i < 3000; i++) {
      const text = Array.from({ length: random.int(0, 40) }, () => random.pick(pieces)).join('');
      expect(() => findEquations(text)).not.toThrow();
    }
  });

  it.each([
    ['parentheses', (n: number) => `${'('.repeat(n)}1${')'.repeat(n)} = 1`],
    ['relations in parentheses', (n: number) => '(1='.repeat(n)],
    ['digits', (n: number) => `${'9'.repeat(n)} = 1 + 1`],
    ['a sum', (n: number) => `${'1+'.repeat(n)}1 = 3`],
    ['a chain', (n: number) => '1+1='.repeat(n)],
    ['thousands', (n: number) => `1${',234'.repeat(n)}5 = 1 + 1`],
    ['commands', (n: number) => '\\text{\\frac{'.repeat(n)],
    ['minus signs', (n: number) => `${'-'.repeat(n)}1 = 1`],
    ['powers', (n: number) => `${'2^'.repeat(n)}2 = 1`],
    ['spaces', (n: number) => `\\text${' '.repeat(n)}1 =${'\n'.repeat(n)} 1`],
  ])('get through very much of %s', async (_, build) => {
    // Where the work grew with the square of the length, this would run into the time limit of the test.
    const judgement = await judge(build(50_000));
    expect(judgement).toHaveProperty('label');
  });
});

it('refuses options that make no sense', () => {
  for (const options of [{ modulus: 1 }, { modulus: 2.5 }, { tolerance: -1 }, { tolerance: Number.NaN }]) {
    expect(() => new ArithmeticJudge(options)).toThrowError(
      expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT' }),
    );
  }
});

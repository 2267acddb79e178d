import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { compareAsMathematics, verifyAnswer } from '../../lib/verify/verify-answer.ts';
import { seededRandom } from '../random.ts';

const FRAGMENTS = [
  ...[
    '\\frac',
    '{',
    '}',
    '(',
    ')',
    '[',
    ']',
    '1',
    '23',
    '0.5',
    'x',
    'y',
    '+',
    '-',
    '*',
    '/',
    '^',
    '_',
    '!',
    '|',
    ',',
  ],
  ...[
    '=',
    '<',
    '>',
    '\\le ',
    '\\cup',
    '\\infty',
    '\\pi',
    'e',
    'i',
    '\\sqrt',
    '\\sin ',
    '\\log_',
    '\\binom',
    '\\pm',
    '%',
  ],
  ...[
    '\\begin{pmatrix}',
    '\\end{pmatrix}',
    '&',
    '\\\\',
    '\\text{',
    ' cm',
    '°',
    ':',
    ' and ',
    ' or ',
    '\\in ',
    '\\R',
    '∞',
  ],
  ...[
    '\\mathbb{R}',
    '\\begin{cases}',
    '\\end{cases}',
    '\\lfloor ',
    '\\rfloor ',
    '\\ne ',
    '≈',
    'C',
    ')',
    'no',
    '\0',
    '\ud800',
  ],
];

/** What the extraction rules look for, and the beginnings of number formats. */
const MARKERS = [
  ...[
    '$',
    '\\(',
    '\\[',
    'answer is ',
    'final answer: ',
    '\\boxed{',
    '"answer": ',
    '1,',
    '{',
    '}',
    '<answer>',
    '9',
  ],
  ...['(0,1)\\cup', ' 000', '1.000', '\\,', '-', ' a', '\n', '≈', '\\\\'],
];

const random = (seed: number): string => {
  const source = seededRandom(seed);
  return Array.from({ length: source.int(1, 14) }, () => source.pick(FRAGMENTS)).join('');
};

describe('any answer', () => {
  it('is compared with any other without a throw', () => {
    for (let seed = 1; seed <= 1500; seed++) {
      const [gold, given] = [random(seed), random(seed + 1_000_000)];
      expect(() => compareAsMathematics(gold, given), `seed ${seed}: ${gold} against ${given}`).not.toThrow();
    }
  });

  it('is right beside itself', () => {
    for (let seed = 1; seed <= 500; seed++) {
      expect(compareAsMathematics(random(seed), random(seed)).verdict, `seed ${seed}`).toBe('right');
    }
  });
});

interface Row {
  type: string;
  gold: string;
  given: string[];
}

describe('symmetry', () => {
  const rows = JSON.parse(readFileSync(new URL('answer-pairs.json', import.meta.url), 'utf8')) as Row[];
  // Where one side may say less than the other (a name, a unit, an inequality), the order counts.
  const symmetric = rows.filter(({ type }) =>
    /^(?:number|thousands|mixed|constant|complex|expression|set|matrix|interval|union|ratio|infinity)$/.test(
      type,
    ),
  );

  it('holds for values, sets, intervals and matrices', () => {
    for (const { gold, given } of symmetric) {
      for (const text of given.filter((text) => !/=|\\in(?!f)|\\text|%/.test(text))) {
        const there = compareAsMathematics(gold, text);
        expect(compareAsMathematics(text, gold).verdict, `${gold} and ${text}`).toBe(there.verdict);
      }
    }
  });
});

describe('long input', () => {
  // In a child with a generous kill: a rule that is quadratic in the length would take hours for a megabyte.
  it('of a megabyte, and of twice half of it, is read to the end', () => {
    const url = pathToFileURL(path.resolve('dist/verify/verify-answer.js')).href;
    const script = `const { verifyAnswer } = await import(${JSON.stringify(url)});
      const long = ${JSON.stringify(MARKERS)};
      const parts = ${JSON.stringify([...FRAGMENTS, ...MARKERS])};
      for (const size of [500_000, 1_000_000]) for (const part of long) {
        const text = part.repeat(Math.ceil(size / part.length));
        verifyAnswer(text, '5');
        if (size > 500_000) verifyAnswer('\\\\boxed{' + text + '}', '5');
      }
      // The longest answers that are rewritten and read.
      for (const part of parts) for (const more of ['', '1', ')']) {
        const long = (part + more).repeat(Math.ceil(4000 / (part + more).length));
        verifyAnswer('{"answer": ' + JSON.stringify(long) + '}', '5');
        verifyAnswer('{"answer": ' + JSON.stringify('1' + long + '1') + '}', '(1, 2)');
      }
      console.log('done');`;
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 55_000,
    });
    expect([run.stdout.trim(), run.stderr, run.signal]).toEqual(['done', '', null]);
  });

  it('has no effect on the stack', () => {
    for (const part of ['(', '{', '[', '\\frac{', '\\sqrt{', '-', '|', '\\sin', '2^{', '((1,2),']) {
      const deep = part.repeat(300);
      expect(() => verifyAnswer(`{"answer": ${JSON.stringify(deep)}}`, 'x+1')).not.toThrow();
    }
  });
});

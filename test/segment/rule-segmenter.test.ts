import { describe, expect, it } from 'vitest';
import { RuleSegmenter, type RuleSegmenterOptions } from '../../lib/segment/rule-segmenter.ts';

function steps(text: string, options: RuleSegmenterOptions = {}): string[] {
  return new RuleSegmenter({ minChars: 1, ...options })
    .segment(text)
    .map(({ start, end }) => text.slice(start, end));
}

const sentence = (text: string): string[] => steps(text, { unit: 'sentence' });

describe('boundaries', () => {
  it('gives an empty text no steps, and a blank one a single step', () => {
    expect(steps('')).toEqual([]);
    expect(steps(' \n\n ')).toEqual([' \n\n ']);
  });

  it('cuts at paragraph breaks; the break belongs to the left', () => {
    expect(steps('One.\n\nTwo. Still two.\r\n\r\n  Three')).toEqual([
      'One.\n\n',
      'Two. Still two.\r\n\r\n  ',
      'Three',
    ]);
  });

  it('cuts before a reflection at the start of a sentence, not inside one', () => {
    expect(steps('So x = 2. Wait, that is wrong. I wait here. Waiting is fine. Hmm. Yes')).toEqual([
      'So x = 2. ',
      'Wait, that is wrong. I wait here. Waiting is fine. ',
      'Hmm. Yes',
    ]);
    expect(steps('A. Wait, B.', { reflectionMarkers: [] })).toEqual(['A. Wait, B.']);
  });

  it('does not take every dot for the end of a sentence', () => {
    for (const text of [
      'It is 3.14 in all',
      'Use a rule, e.g. Ptolemy here',
      'See i.e. The one',
      'Take No. 5 of them',
      'By Thm. A it holds',
      'Hmm... Then go',
      'Well… Then go',
      'Read https://a.b/c?D=1.E or not',
      'Here 5! = 120 holds',
      '1. First item',
      '**2.** Second item',
    ]) {
      expect(sentence(text), text).toEqual([text]);
    }
    expect(sentence('One. Two! Three? Four')).toEqual(['One. ', 'Two! ', 'Three? ', 'Four']);
    expect(sentence('甲です。乙です。')).toEqual(['甲です。', '乙です。']);
  });

  it('cuts at every line break in unit "line"; blank lines stay with the line before', () => {
    expect(steps('3*4=12\n12+1=13\r\n\nanswer 13', { unit: 'line' })).toEqual([
      '3*4=12\n',
      '12+1=13\r\n\n',
      'answer 13',
    ]);
    expect(steps('\n\na\nb', { unit: 'line' })).toEqual(['\n\na\n', 'b']);
    expect(steps('$a\nb$', { unit: 'line' })).toEqual(['$a\n', 'b$']);
  });
});

describe('zones', () => {
  it('always cuts after a closing tag and before an opening one, whatever the minimum', () => {
    const options = { minChars: 500, maxChars: 1000 };
    expect(steps('<think>\nA.\n\nB.\n</think>\n\nThe answer.', options)).toEqual([
      '<think>\nA.\n\nB.\n</think>\n\n',
      'The answer.',
    ]);
    expect(
      steps(
        '<|begin_of_thought|>\nA<|end_of_thought|>\n\n<|begin_of_solution|>B<|end_of_solution|>',
        options,
      ),
    ).toEqual(['<|begin_of_thought|>\nA<|end_of_thought|>\n\n', '<|begin_of_solution|>B<|end_of_solution|>']);
    expect(steps('<think>$x</think>y$', options)).toEqual(['<think>$x</think>', 'y$']);
  });
});

describe('atomic regions', () => {
  it.each([
    ['fence', 'Code:\n```py\na = 1\n\nb. C\n```'],
    ['longer fence', '````\n```\na. B\n\nc\n```\n````'],
    ['inline code', 'The `a. B` here'],
    ['dollar', 'So $a. B$ here'],
    ['double dollar', '$$\na. B\n\nc\n$$'],
    ['bracket display', '\\[\na. B\n\nc\n\\]'],
    ['parenthesis', 'Here \\(a. B\\) is'],
    ['environment', '\\begin{align}\na. B\n\nc\n\\end{align}'],
    ['nested environment', '\\begin{a}\\begin{a}x\\end{a}\n\ny\\end{a}'],
    ['box', '\\boxed{a. B}'],
    ['table', '| a | b |\n|---|---|\n| c. D | e |'],
  ])('keeps a %s whole', (_, text) => {
    expect(steps(text)).toEqual([text]);
  });

  it('bounds a region that is never closed by its paragraph', () => {
    expect(steps('Let $x. Y\n\nNext. Then', { unit: 'sentence' })).toEqual([
      'Let $x. Y\n\n',
      'Next. ',
      'Then',
    ]);
    expect(steps('Let \\[x. Y\n\nNext.\n\n\\[ a \\]')).toEqual(['Let \\[x. Y\n\n', 'Next.\n\n', '\\[ a \\]']);
    expect(steps('\\begin{a} x. Y\n\nNext')).toEqual(['\\begin{a} x. Y\n\n', 'Next']);
    expect(steps('\\boxed{x. Y\n\nNext}')).toEqual(['\\boxed{x. Y\n\n', 'Next}']);
  });

  it('takes an open fence to the end of the text, up to the maximum', () => {
    expect(steps('```\na\n\nb\n\nc')).toHaveLength(1);
    const { spans, stats } = new RuleSegmenter({ minChars: 1, maxChars: 50 }).segmentWithStats(
      `\`\`\`\n${'ab. C\n\n'.repeat(40)}`,
    );
    expect(spans.every(({ start, end }) => end - start <= 50)).toBe(true);
    expect(stats.atomicCuts).toBe(0);
  });

  it('does not take prices for mathematics', () => {
    expect(sentence('She has $50 - $35. He has $5. Done')).toEqual([
      'She has $50 - $35. ',
      'He has $5. ',
      'Done',
    ]);
  });
});

describe('lengths', () => {
  it('joins short pieces to the next one, and the last one to the one before', () => {
    expect(steps('A.\n\nB.\n\nCCCCCC.\n\nD', { minChars: 8, maxChars: 100 })).toEqual([
      'A.\n\nB.\n\n',
      'CCCCCC.\n\nD',
    ]);
  });

  it('splits long pieces at the best boundary and never exceeds the maximum', () => {
    const text = 'One sentence here. Another sentence there.\nA third one now. The fourth one ends';
    expect(steps(text, { maxChars: 50 })).toEqual([
      'One sentence here. Another sentence there.\n',
      'A third one now. The fourth one ends',
    ]);
    expect(steps('word '.repeat(20), { maxChars: 12 }).every((step) => step === 'word word ')).toBe(true);
  });

  it('cuts inside an atomic region only when the region alone is too long, and counts it', () => {
    const inner = 'a + b + '.repeat(20);
    const { spans, stats } = new RuleSegmenter({ minChars: 1, maxChars: 60 }).segmentWithStats(
      `Text. $${inner}$ end`,
    );
    expect(spans.every(({ start, end }) => end - start <= 60)).toBe(true);
    expect(stats.atomicCuts).toBeGreaterThan(0);
    expect(
      new RuleSegmenter({ minChars: 1, maxChars: 60 }).segmentWithStats(
        `${'w '.repeat(25)}$${'a'.repeat(50)}$`,
      ).stats.atomicCuts,
    ).toBe(0);
  });

  it('keeps a visible character whole even where it is longer than the maximum', () => {
    const zalgo = `a${'\u0301'.repeat(30)}`;
    expect(steps(`${zalgo}b`, { maxChars: 5 })).toEqual([zalgo, 'b']);
    expect(steps('😀😀', { maxChars: 3 })).toEqual(['😀', '😀']);
  });
});

describe('identity and options', () => {
  it('names the options by a hash that ignores the order of the markers', () => {
    const id = new RuleSegmenter({ reflectionMarkers: ['A', 'B'] }).id;
    expect(id).toMatch(/^rule-v2:[0-9a-f]{12}$/);
    expect(new RuleSegmenter({ reflectionMarkers: ['B', 'A'] }).id).toBe(id);
    expect(new RuleSegmenter({ reflectionMarkers: ['B', 'A'], minChars: 3 }).id).not.toBe(id);
    expect(new RuleSegmenter({}).id).toBe(new RuleSegmenter().id);
  });

  it('names the option at fault', () => {
    for (const [options, argument] of [
      [{ minChars: 0 }, 'minChars'],
      [{ minChars: 10, maxChars: 9 }, 'maxChars'],
      [{ maxChars: Number.POSITIVE_INFINITY }, 'maxChars'],
      [{ unit: 'word' as 'line' }, 'unit'],
      [{ reflectionMarkers: [''] }, 'reflectionMarkers'],
    ] as const) {
      expect(() => new RuleSegmenter(options)).toThrowError(
        expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument }),
      );
    }
  });
});

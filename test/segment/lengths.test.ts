import { describe, expect, it } from 'vitest';
import type { Rollout } from '../../lib/data/records.ts';
import { LengthLimit } from '../../lib/segment/length-limit.ts';
import { RuleSegmenter, type RuleSegmenterOptions } from '../../lib/segment/rule-segmenter.ts';
import { segmentRollouts } from '../../lib/segment/segment-rollouts.ts';
import { shareOut } from '../../lib/segment/spread-breaks.ts';
import { tokenOwners } from '../../lib/segment/token-owners.ts';
import { ByteTokenizer } from '../../lib/tokenizer/byte-tokenizer.ts';
import { PieceTokenizer } from '../../lib/tokenizer/piece-tokenizer.ts';

const bytes = new ByteTokenizer();

function steps(text: string, options: RuleSegmenterOptions): string[] {
  const owners = tokenOwners(text, bytes.encode(text), bytes);
  const spans = new RuleSegmenter({ minChars: 1, ...options }).segment(text, owners);
  return spans.map(({ start, end }) => text.slice(start, end));
}

describe('the maximum in tokens', () => {
  it('splits where the tokens, not the characters, are too many', () => {
    // Every Cyrillic letter is two tokens here.
    expect(steps('one two. да нет.', { maxTokens: 9 })).toEqual(['one two. ', 'да ', 'нет.']);
    expect(steps('one two. да нет.', { maxTokens: 12 })).toEqual(['one two. ', 'да нет.']);
  });

  it('counts a token where its first visible character is', () => {
    const pieces = new PieceTokenizer('t', ['', 'One', '.', ' Two', ' three', ' '], 0);
    const text = 'One. Two three';
    const owners = tokenOwners(text, [1, 2, 3, 4], pieces);
    expect([...owners]).toEqual([0, 3, 5, 9]);
    const cut = (maxTokens: number): string[] =>
      new RuleSegmenter({ minChars: 1, maxTokens })
        .segment(text, owners)
        .map(({ start, end }) => text.slice(start, end));
    expect(cut(4)).toEqual([text]);
    expect(cut(3)).toEqual(['One. ', 'Two three']);
    expect(cut(1)).toEqual(['One', '. ', 'Two ', 'three']);
  });

  it('keeps a visible character whole that alone has more tokens', () => {
    expect(steps('👩‍👩‍👧a', { maxTokens: 3 })).toEqual(['👩‍👩‍👧', 'a']);
  });

  it('refuses a response without token ids, naming rollout and option', () => {
    const segmenter = new RuleSegmenter({ maxTokens: 5 });
    expect(() => segmenter.segment('abc')).toThrowError(
      expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument: 'maxTokens' }),
    );
    const rollout = { rollout_id: 'r9', response_text: 'abc' } as Rollout;
    expect(() => segmentRollouts([rollout], segmenter, bytes)).toThrowError(/rollout r9: maxTokens/);
  });

  it('reaches as far as both maxima allow', () => {
    const owners = Uint32Array.of(0, 0, 2, 5, 5, 5, 9);
    const limit = new LengthLimit({ maxChars: 8, maxTokens: 3, owners }, 0);
    expect([0, 2, 5, 9].map((start) => limit.reach(start))).toEqual([5, 5, 9, 17]);
    // The fourth token from place 2 on is still the character at 5: none of its three fit.
    expect(new LengthLimit({ maxChars: 8, maxTokens: 1, owners }, 0).reach(5)).toBe(5);
    expect(new LengthLimit({ maxChars: 8, maxTokens: 3, owners }, 2).reach(0)).toBe(3);
    expect(new LengthLimit({ maxChars: 8, maxTokens: null, owners }, 2).reach(1)).toBe(9);
  });
});

describe('the target number of steps', () => {
  const paragraphs = Array.from({ length: 12 }, (_, i) => `Paragraph ${i} is here. It says little.`);
  const text = paragraphs.join('\n\n');

  it('is met where breaks lie near the ideal places, the strongest of them', () => {
    for (const targetSteps of [1, 2, 3, 4, 6, 12]) {
      const found = steps(text, { targetSteps });
      expect(found).toHaveLength(targetSteps);
      expect(found.slice(0, -1).every((step) => step.endsWith('.\n\n'))).toBe(true);
    }
  });

  it('yields to the maximum and to the minimum', () => {
    expect(steps(text, { targetSteps: 2, maxChars: 100 }).every((step) => step.length <= 100)).toBe(true);
    expect(steps(text, { targetSteps: 12, minChars: 150 }).length).toBeLessThan(5);
  });

  it('is fewer where there are too few breaks, and at least one a zone', () => {
    expect(steps('no break in here at all', { targetSteps: 5 })).toHaveLength(1);
    expect(steps('<think>a</think>b', { targetSteps: 1 })).toEqual(['<think>a</think>', 'b']);
  });

  it('is shared out in proportion, by largest remainder', () => {
    expect(shareOut(10, [100, 100])).toEqual([5, 5]);
    expect(shareOut(10, [75, 25])).toEqual([8, 2]);
    expect(shareOut(10, [990, 10])).toEqual([9, 1]);
    expect(shareOut(1, [5, 5, 5])).toEqual([1, 1, 1]);
    expect(shareOut(7, [1, 1, 1])).toEqual([3, 2, 2]);
  });

  it('names the options at fault', () => {
    for (const [options, argument] of [
      [{ maxTokens: 0 }, 'maxTokens'],
      [{ maxTokens: 1.5 }, 'maxTokens'],
      [{ targetSteps: -1 }, 'targetSteps'],
    ] as const) {
      expect(() => new RuleSegmenter(options)).toThrowError(expect.objectContaining({ argument }));
    }
    expect(new RuleSegmenter({ maxTokens: 5 }).id).not.toBe(new RuleSegmenter().id);
    expect(new RuleSegmenter({ targetSteps: 5 }).id).not.toBe(new RuleSegmenter().id);
  });
});

describe('forced cuts', () => {
  it('do not part a label from its item, or a number, where another place fits', () => {
    expect(steps('some words here e.g. Ptolemy and so on', { maxChars: 23 })[0]).toBe('some words here ');
    // Where nothing else fits, it is parted after all.
    expect(steps('somewordshere.So e.g. Ptolemaios', { maxChars: 23, reflectionMarkers: [] })[0]).toBe(
      'somewordshere.So ',
    );
    expect(steps('e.g. Ptolemaios', { maxChars: 6 })[0]).toBe('e.g. ');
    expect(steps('aaa bbb ccc ddd eee\n12. Item here', { maxChars: 24 })).toEqual([
      'aaa bbb ccc ddd eee\n',
      '12. Item here',
    ]);
    expect(steps('圆周率约等于也就是说3.14159这个数', { maxChars: 14 })).toEqual([
      '圆周率约等于也就是说',
      '3.14159这个数',
    ]);
    expect(steps('见下面的网址之一https://a.b/c?d=1之后', { maxChars: 20 })[0]).toBe('见下面的网址之一');
    expect(steps(`甲${'x'.repeat(50)}`, { maxChars: 20 }).map((step) => step.length)).toEqual([20, 20, 11]);
  });
});

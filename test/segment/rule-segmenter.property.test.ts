import { describe, expect, it } from 'vitest';
import { atomicRegions } from '../../lib/segment/atomic-regions.ts';
import { RuleSegmenter, type RuleSegmenterOptions } from '../../lib/segment/rule-segmenter.ts';
import { type Random, seededRandom } from '../random.ts';
import { randomText } from './random-text.ts';

const ROUNDS = 500;
const UNITS = ['paragraph', 'sentence', 'line'] as const;
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

function randomOptions(
  random: Random,
): Required<Pick<RuleSegmenterOptions, 'minChars' | 'maxChars' | 'unit'>> {
  const minChars = random.pick([1, 5, 40]);
  return { minChars, maxChars: minChars + random.pick([0, 7, 60, 400]), unit: random.pick(UNITS) };
}

function graphemeStarts(text: string): Set<number> {
  return new Set([...graphemes.segment(text)].map(({ index }) => index));
}

describe('RuleSegmenter on random text', () => {
  it('covers the text exactly, in order, without an empty step or a split character', () => {
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const random = seededRandom(seed);
      const text = randomText(random, 40, true);
      const options = randomOptions(random);
      const label = `seed ${seed} ${JSON.stringify(options)}`;
      const spans = new RuleSegmenter(options).segment(text);
      expect(spans.map(({ start, end }) => text.slice(start, end)).join('') === text, label).toBe(true);
      const starts = graphemeStarts(text);
      let at = 0;
      for (const { start, end } of spans) {
        expect(start, label).toBe(at);
        expect(end, label).toBeGreaterThan(start);
        if (start > 0)
          expect(starts.has(start), `${label}: cut inside a visible character at ${start}`).toBe(true);
        at = end;
      }
      expect(at, label).toBe(text.length);
    }
  });

  it('keeps every step within the maximum, unless one visible character is longer', () => {
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const random = seededRandom(seed);
      const text = randomText(random, 40, true);
      const options = randomOptions(random);
      for (const { start, end } of new RuleSegmenter(options).segment(text)) {
        if (end - start <= options.maxChars) continue;
        const clusters = [...graphemes.segment(text.slice(start, end))];
        expect(clusters.length, `seed ${seed} ${JSON.stringify(options)} at ${start}`).toBe(1);
      }
    }
  });

  it('cuts no atomic region that is shorter than the maximum', () => {
    const widest = 24; // the longest visible character among the fragments, on both sides
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const random = seededRandom(seed);
      const text = randomText(random, 40, false);
      const options = { ...randomOptions(random), unit: random.pick(['paragraph', 'sentence'] as const) };
      const { spans, stats } = new RuleSegmenter(options).segmentWithStats(text);
      const regions = atomicRegions(text, options.maxChars);
      let cuts = 0;
      for (const { start: at } of spans) {
        const cut = regions.find((region) => region.start < at && at < region.end);
        if (cut === undefined) continue;
        cuts++;
        expect(
          cut.end - cut.start + widest,
          `seed ${seed} ${JSON.stringify(options)} at ${at}`,
        ).toBeGreaterThan(options.maxChars);
      }
      expect(stats.atomicCuts, `seed ${seed}`).toBeGreaterThanOrEqual(cuts);
    }
  });

  it('is deterministic', () => {
    const text = randomText(seededRandom(3), 60, true);
    const segmenter = new RuleSegmenter({ unit: 'sentence', minChars: 5 });
    expect(segmenter.segment(text)).toEqual(segmenter.segment(text));
  });
});

describe('RuleSegmenter on hostile text', () => {
  const LENGTH = 100_000;
  const PATTERNS = [
    '$',
    '\\[',
    '\\[\n\n',
    '\\begin{a}',
    '\\begin{a}\n\n',
    '\\boxed{',
    '`',
    '``x',
    '\n```a\n',
    '\n````\n```\n',
    '|',
    '\n|',
    '<think>',
    '</think>',
    ' ',
    '\n',
    '\n ',
    'Wait. ',
    '$1 ',
    '$1 \\$',
    '{',
    '\u0301',
    '👩‍',
    '\ud800',
    'x',
    '1. ',
    '...',
    'A. ',
  ];

  it.each(PATTERNS)(
    'ends on 100,000 characters of %j: nothing is quadratic, or it would not',
    (pattern) => {
      const text = pattern.repeat(Math.ceil(LENGTH / pattern.length));
      for (const options of [{ unit: 'sentence', minChars: 1, maxChars: 10 }, {}] as const) {
        const spans = new RuleSegmenter(options).segment(text);
        expect(spans.at(-1)?.end).toBe(text.length);
      }
    },
    10_000,
  );
});

import { describe, expect, it } from 'vitest';
import { GraphemeCuts } from '../../lib/segment/grapheme-cuts.ts';
import { windowedBoundaries } from '../../lib/segment/windowed-boundaries.ts';
import { seededRandom } from '../random.ts';
import { randomText } from './random-text.ts';

const sentences = new Intl.Segmenter('en', { granularity: 'sentence' });
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
const starts = (segmenter: Intl.Segmenter, text: string): number[] =>
  [...segmenter.segment(text)].slice(1).map(({ index }) => index);

describe('windowed boundaries', () => {
  it('are those of the whole text', () => {
    for (let seed = 1; seed <= 6; seed++) {
      const random = seededRandom(seed);
      const text =
        randomText(random, 250, true) + 'no end '.repeat(random.int(0, 900)) + randomText(random, 100, false);
      expect([...windowedBoundaries(sentences, text, 2)], `seed ${seed}`).toEqual(starts(sentences, text));
      expect([...windowedBoundaries(graphemes, text, 1)], `seed ${seed}`).toEqual(starts(graphemes, text));
    }
  });
});

describe('GraphemeCuts', () => {
  it('allows exactly the boundaries of the whole text', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const text = randomText(seededRandom(seed), 120, true);
      const cuts = new GraphemeCuts(text);
      const allowed = Array.from({ length: text.length }, (_, at) => at).filter(
        (at) => at > 0 && cuts.allows(at),
      );
      expect(allowed, `seed ${seed}`).toEqual(starts(graphemes, text));
    }
  });
});

import { describe, expect, it } from 'vitest';
import { atomicRegions } from '../../lib/segment/atomic-regions.ts';
import { wholeZones } from '../../lib/segment/cut-text.ts';
import { LengthLimit } from '../../lib/segment/length-limit.ts';
import { RuleSegmenter } from '../../lib/segment/rule-segmenter.ts';
import type { Span } from '../../lib/segment/segmenter.ts';
import { tokenOwners } from '../../lib/segment/token-owners.ts';
import { spansOfOwners, tokenSpans } from '../../lib/segment/token-spans.ts';
import { type Random, seededRandom } from '../random.ts';
import { byteChunks, randomChunks } from './byte-chunks.ts';
import { PROTECTED, randomText } from './random-text.ts';
import { FAMILIES, type Family, randomSubject } from './segmenters.ts';

const ROUNDS = 120;
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
const clusters = (text: string): string[] => [...graphemes.segment(text)].map(({ segment }) => segment);
const slices = (text: string, spans: readonly Span[]): string[] =>
  spans.map(({ start, end }) => text.slice(start, end));

const HOSTILE: Record<string, string> = {
  empty: '',
  'whitespace only': ' \t\n\r\n \u00a0\u3000 ',
  CRLF: 'One.\r\n\r\nTwo.\r\nThree.\rFour',
  'lone surrogates': 'a\ud800. B\udc00 \ud83d\ud83d. C',
  'combining marks': 'e\u0301. A\u0300\u0301\u0302. \u0301',
  'zero-width joiners': '👩‍👩‍👧‍👦. \u200d A👍🏽. 🇩🇪🇫🇷',
  'right to left': 'שלום עולם. مرحبا. \u200fא',
  NUL: 'a\0. \0\0B',
  'byte order mark': '\uFEFFOne. Two',
};

/** Rounds with a seed each; a failure names it. */
async function rounds(
  family: Family,
  check: (random: Random, label: string) => Promise<void>,
): Promise<void> {
  for (let seed = 1; seed <= ROUNDS; seed++) {
    await check(seededRandom(seed), `${family}, seed ${seed}`);
  }
}

describe.each(FAMILIES)('%s', (family) => {
  it('guarantee 1, byte-exact: the steps spell the text', async () => {
    await rounds(family, async (random, label) => {
      const subject = randomSubject(family, random);
      const text = randomText(random, 40, true);
      for (const [name, given] of [...Object.entries(HOSTILE), ['random', text] as const]) {
        const { spans } = await subject.segment(given);
        expect(slices(given, spans).join('') === given, `${label}, ${name}, ${subject.label}`).toBe(true);
      }
    });
  });

  it('guarantee 2, total cover: no gap, overlap, empty step or split character; the same every time', async () => {
    await rounds(family, async (random, label) => {
      const subject = randomSubject(family, random);
      const text = randomText(random, 40, true);
      const { spans } = await subject.segment(text);
      const starts = new Set([...graphemes.segment(text)].map(({ index }) => index));
      let at = 0;
      for (const { start, end } of spans) {
        expect(start, label).toBe(at);
        expect(end, label).toBeGreaterThan(start);
        expect(starts.has(start), `${label}: inside a visible character at ${start}`).toBe(true);
        at = end;
      }
      expect(at, label).toBe(text.length);
      expect((await subject.segment(text)).spans, label).toEqual(spans);
      const twin = randomSubject(family, seededRandom(random.seed));
      expect([twin.id, (await twin.segment(text)).spans], label).toEqual([subject.id, spans]);
    });
  });

  it('guarantee 3, token map total: each token is in exactly one step, in order', async () => {
    await rounds(family, async (random, label) => {
      const text = randomText(random, 25, true).replace(/\p{Surrogate}/gu, '');
      const { spans } = await randomSubject(family, random).segment(text);
      const { tokenizer, ids } = byteChunks(text, randomChunks(random, Buffer.byteLength(text)));
      const tokens = tokenSpans(text, spans, ids, tokenizer);
      if (text === '') return;
      expect(tokens, label).toHaveLength(spans.length);
      expect([tokens[0]!.start, tokens.at(-1)!.end], label).toEqual([0, ids.length]);
      for (const [k, { start, end }] of tokens.entries()) {
        expect(end, label).toBeGreaterThanOrEqual(start);
        if (k > 0) expect(start, label).toBe(tokens[k - 1]!.end);
      }
    });
  });

  it('guarantee 4, stored ids: the map is of the ids as stored, and refuses ids that spell another text', async () => {
    await rounds(family, async (random, label) => {
      const text = `${randomText(random, 15, true).replace(/\p{Surrogate}/gu, '')}end`;
      const { spans } = await randomSubject(family, random).segment(text);
      const { tokenizer, ids } = byteChunks(text, randomChunks(random, Buffer.byteLength(text)));
      // A word in the middle of which a token ends belongs, token by token, to where its characters are.
      const owners = tokenOwners(text, ids, tokenizer);
      expect(tokenSpans(text, spans, ids, tokenizer), label).toEqual(spansOfOwners(spans, owners));
      const bytes = ids.flatMap((id) => [...tokenizer.bytesOf(id)]);
      expect(Buffer.from(bytes).toString() === text, label).toBe(true);
      const other = text.replace(/end$/, 'enD');
      expect(() => tokenSpans(other, spans, ids, tokenizer), label).toThrowError(
        new RegExp(`at byte ${Buffer.byteLength(text) - 1} `),
      );
    });
  });

  it('guarantee 5, atomic regions: none that fits is cut, nor a number, a label or a URL', async () => {
    const widest = 24; // the longest visible character among the fragments, on both sides
    await rounds(family, async (random, label) => {
      const subject = randomSubject(family, random);
      if (subject.byLine) return;
      const text = randomText(random, 40, false);
      const { spans, stats } = await subject.segment(text);
      const regions = atomicRegions(text, subject.maxChars);
      let cuts = 0;
      for (const { start: at } of spans) {
        const cut = regions.find((region) => region.start < at && at < region.end);
        if (cut === undefined) continue;
        cuts++;
        const room = cut.end - cut.start + widest;
        expect(room, `${label} at ${at}: ${subject.label}`).toBeGreaterThan(subject.maxChars);
      }
      expect(stats.atomicCuts, label).toBeGreaterThanOrEqual(cuts);
    });
    await rounds(family, async (random, label) => {
      const subject = randomSubject(family, random);
      if (subject.byLine || subject.maxChars < 60) return;
      const { text, whole } = protectedText(random);
      const { spans } = await subject.segment(text);
      for (const { start: at } of spans) {
        const cut = whole.find((part) => part.start < at && at < part.end);
        const shown = cut === undefined ? undefined : text.slice(cut.start, cut.end);
        expect(shown, `${label} at ${at}: ${subject.label}`).toBeUndefined();
      }
    });
  });

  it('guarantee 6, lengths: the maxima hold, and a step below the minimum had no room beside it', async () => {
    let tight = 0;
    await rounds(family, async (random, label) => {
      const subject = randomSubject(family, random, true);
      const { minChars, maxChars, maxTokens } = subject;
      const text = randomText(random, 40, true).replace(/\p{Surrogate}/gu, '');
      const { tokenizer, ids } = byteChunks(text, randomChunks(random, Buffer.byteLength(text)));
      const owners = tokenOwners(text, ids, tokenizer);
      const { spans } = await subject.segment(text, owners);
      const tokens = spansOfOwners(spans, owners);
      const zoneStarts = new Set(wholeZones(text).map(({ start }) => start));
      const limit = new LengthLimit({ maxChars, maxTokens, owners }, 0);
      for (const [k, { start, end }] of spans.entries()) {
        const count = tokens[k]!.end - tokens[k]!.start;
        const tooLong = end - start > maxChars || count > maxTokens!;
        // Leading tokens without a character come to the first step on top.
        if (tooLong && k > 0)
          expect(clusters(text.slice(start, end)), `${label} at ${start}`).toHaveLength(1);
        const next = spans[k + 1];
        if (end - start >= minChars || next === undefined || zoneStarts.has(next.start)) continue;
        tight++;
        expect(limit.fits(start, next.end), `${label}: [${start}, ${end}) could join: ${subject.label}`).toBe(
          false,
        );
      }
    });
    expect(tight).toBeGreaterThan(10);
  });

  it('guarantee 7, zones: every tag of thought and answer has the zone it opens or closes as its owner', async () => {
    await rounds(family, async (random, label) => {
      const text = randomText(random, 40, true);
      const { spans } = await randomSubject(family, random).segment(text);
      const starts = new Set(spans.map(({ start }) => start));
      for (const { start } of wholeZones(text)) expect(starts.has(start), `${label} at ${start}`).toBe(true);
    });
    await rounds(family, async (random, label) => {
      const subject = randomSubject(family, random);
      if (subject.maxChars < 60) return;
      const text = '<think>\nA thought.\n</think>\n\n<answer>4</answer>';
      const { spans } = await subject.segment(text);
      const owners = ['<think>', '</think>', '<answer>', '</answer>'].map((tag) => {
        const at = text.indexOf(tag);
        return spans.findIndex(({ start, end }) => start <= at && at + tag.length <= end);
      });
      // Each is in one step; the thought's are before the answer's.
      const zone = spans.findIndex(({ start }) => start === text.indexOf('<answer>'));
      expect(zone, label).toBeGreaterThan(0);
      expect(owners[0], label).toBe(0);
      expect(owners[1], label).toBe(zone - 1);
      expect(owners[2], label).toBe(zone);
      expect(owners[3], label).toBe(spans.length - 1);
    });
  });
});

/** Words, and among them parts that must stay whole, with where those are. */
function protectedText(random: Random): { text: string; whole: Span[] } {
  const whole: Span[] = [];
  let text = '';
  for (let i = random.int(1, 25); i > 0; i--) {
    const part = random.pick([...PROTECTED, 'some words here ', 'It ends. Then ', '\n\n']);
    if (PROTECTED.includes(part)) {
      // A list item begins its line.
      if (/^\d+\.\s/.test(part)) text += '\n';
      whole.push({ start: text.length, end: text.length + part.trimEnd().length });
    }
    text += part;
  }
  return { text, whole };
}

describe('guarantee 8, linear time', () => {
  // Not timed: what grows with the square of the text does not end in the time a test has.
  const LENGTH = 100_000;
  const PATTERNS = [
    ...['$', '\\[', '\\[\n\n', '\\begin{a}', '\\begin{a}\n\n', '\\boxed{', '`', '``x', '\n```a\n'],
    ...['\n````\n```\n', '|', '\n|', '<think>', '</think>', ' ', '\n', '\n ', 'Wait. ', '$1 ', '$1 \\$', '{'],
    ...['\u0301', '👩‍', '\ud800', 'x', '1. ', '...', 'A. ', 'e.g. ', 'https://a.b/c', '甲3.14'],
  ];

  it.each(PATTERNS)(
    'ends on 100,000 characters of %j',
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

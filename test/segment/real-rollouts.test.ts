import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { RuleSegmenter } from '../../lib/segment/rule-segmenter.ts';
import { tokenSpans } from '../../lib/segment/token-spans.ts';
import { ByteTokenizer } from '../../lib/tokenizer/byte-tokenizer.ts';

const FILE = new URL('../../examples/rollouts-real/rollouts.jsonl', import.meta.url);
const responses = readFileSync(FILE, 'utf8')
  .trim()
  .split('\n')
  .map((line) => (JSON.parse(line) as { response: string }).response);

describe('the 502 real responses', () => {
  it.each(['paragraph', 'sentence', 'line'] as const)('are covered exactly by steps of unit %s', (unit) => {
    const segmenter = new RuleSegmenter({ unit, ...(unit === 'line' ? { minChars: 1 } : {}) });
    const tokenizer = new ByteTokenizer();
    const total = { steps: 0, atomicRegions: 0, atomicCuts: 0, emptyTokenSpans: 0 };
    for (const text of responses) {
      const { spans, stats } = segmenter.segmentWithStats(text);
      expect(spans.map(({ start, end }) => text.slice(start, end)).join('') === text).toBe(true);
      const tokens = tokenSpans(text, spans, tokenizer.encode(text), tokenizer);
      expect(tokens[0]!.start).toBe(0);
      expect(tokens.every(({ start }, k) => k === 0 || start === tokens[k - 1]!.end)).toBe(true);
      expect(tokens.at(-1)!.end).toBe(Buffer.byteLength(text));
      total.steps += stats.steps;
      total.atomicRegions += stats.atomicRegions;
      total.atomicCuts += stats.atomicCuts;
      total.emptyTokenSpans += tokens.filter(({ start, end }) => start === end).length;
    }
    expect(total).toMatchSnapshot();
  });
});

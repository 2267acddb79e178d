import { describe, expect, it } from 'vitest';
import type { Rollout, Step } from '../../lib/data/records.ts';
import { RuleSegmenter } from '../../lib/segment/rule-segmenter.ts';
import { segmentRollouts } from '../../lib/segment/segment-rollouts.ts';
import { segmentationMetrics } from '../../lib/segment/segmentation-metrics.ts';
import { quantiles, segmentationReport } from '../../lib/segment/segmentation-report.ts';
import type { Span } from '../../lib/segment/segmenter.ts';
import { PieceTokenizer } from '../../lib/tokenizer/piece-tokenizer.ts';
import { type Random, seededRandom } from '../random.ts';

/** "3,2,4" is steps of these lengths. */
function spans(lengths: string): Span[] {
  let at = 0;
  return lengths
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      const span = { start: at, end: at + Number(part) };
      at = span.end;
      return span;
    });
}

const pair = (reference: string, predicted: string) => ({
  reference: spans(reference),
  predicted: spans(predicted),
});

describe('segmentationMetrics by hand', () => {
  it('is perfect on equal segmentations', () => {
    expect(segmentationMetrics([pair('3,2,4', '3,2,4')])).toEqual({
      texts: 1,
      referenceSteps: 3,
      predictedSteps: 3,
      exact: { precision: 1, recall: 1, f1: 1 },
      within: { precision: 1, recall: 1, f1: 1, window: 10 },
      pk: 0,
      windowDiff: 0,
      meanDisplacement: 0,
      bias: 0,
    });
  });

  it('counts exact boundaries and those within the window', () => {
    // Reference 10, 20, 30; predicted 10, 22, 25, 39.
    const given = [pair('10,10,10,10', '10,12,3,14,1')];
    const metrics = segmentationMetrics(given, { window: 2 });
    expect(metrics.exact).toEqual({ precision: 1 / 4, recall: 1 / 3, f1: 2 / 7 });
    expect(metrics.within).toEqual({ precision: 2 / 4, recall: 2 / 3, f1: 4 / 7, window: 2 });
    // 25 is 5 from both 20 and 30, 39 is 9 from 30.
    expect(metrics.meanDisplacement).toBe((0 + 2 + 5 + 9) / 4);
    expect(metrics.bias).toBe(1 / 4);
  });

  it('has P_k and WindowDiff as they are defined', () => {
    // Ten characters, the reference cut at 5, the prediction at 4 and 8; windows (i, i + 2] for i = 0..7.
    // reference: 0 0 0 1 1 0 0 0; predicted: 0 0 1 1 0 0 1 1.
    const metrics = segmentationMetrics([pair('5,5', '4,4,2')], { k: 2 });
    expect(metrics.pk).toBe(4 / 8);
    expect(metrics.windowDiff).toBe(4 / 8);
    // Two boundaries in a window where the reference has one are an error to WindowDiff alone.
    const double = segmentationMetrics([pair('5,5', '5,1,4')], { k: 3 });
    expect([double.pk, double.windowDiff]).toEqual([1 / 7, 3 / 7]);
    // k is half the mean length of the reference's steps: 5 / 2, rounded to 3.
    expect(segmentationMetrics([pair('5,5', '5,1,4')]).windowDiff).toBe(3 / 7);
  });

  it('has answers for no boundaries, no text and no pairs', () => {
    expect(segmentationMetrics([pair('9', '9')])).toMatchObject({
      exact: { f1: 1 },
      meanDisplacement: null,
      bias: 0,
    });
    expect(segmentationMetrics([pair('9', '4,5')]).exact).toEqual({ precision: 0, recall: 0, f1: 0 });
    expect(segmentationMetrics([pair('4,5', '9')])).toMatchObject({
      exact: { precision: 0, recall: 0, f1: 0 },
      meanDisplacement: null,
    });
    expect(segmentationMetrics([pair('', '')])).toMatchObject({ pk: null, windowDiff: null, bias: null });
    expect(segmentationMetrics([])).toMatchObject({ texts: 0, pk: null, exact: { f1: 1 } });
    expect(() => segmentationMetrics([pair('9', '8')])).toThrowError(
      expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument: 'pairs' }),
    );
  });

  it('pools texts by their counts', () => {
    const metrics = segmentationMetrics([pair('5,5', '5,5'), pair('5,5,5', '7,8')]);
    expect(metrics.exact).toEqual({ precision: 1 / 2, recall: 1 / 3, f1: 2 / 5 });
  });
});

function randomSpans(random: Random, length: number): Span[] {
  const cuts = Array.from({ length: length - 1 }, (_, i) => i + 1).filter(() => random.next() < 0.3);
  return [0, ...cuts].map((start, i) => ({ start, end: cuts[i] ?? length }));
}

/** The largest one-to-one pairing, by trying everything. */
function mostPairs(gold: number[], found: number[], window: number): number {
  if (gold.length === 0) return 0;
  const [first, ...rest] = gold;
  let best = mostPairs(rest, found, window);
  for (const at of found) {
    if (Math.abs(at - first!) > window) continue;
    const others = found.filter((other) => other !== at);
    best = Math.max(best, 1 + mostPairs(rest, others, window));
  }
  return best;
}

describe('segmentationMetrics beside slow definitions', () => {
  it('agrees on random segmentations', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = seededRandom(seed);
      const length = random.int(1, 18);
      const [reference, predicted] = [randomSpans(random, length), randomSpans(random, length)];
      const [window, k] = [random.int(0, 4), random.int(1, 6)];
      const metrics = segmentationMetrics([{ reference, predicted }], { window, k });
      const starts = (of: Span[]): number[] => of.slice(1).map(({ start }) => start);
      const [gold, found] = [starts(reference), starts(predicted)];
      const label = `seed ${seed}`;
      if (gold.length + found.length > 0) {
        const pairs = mostPairs(gold, found, window);
        expect(metrics.within.f1, label).toBeCloseTo((2 * pairs) / (gold.length + found.length), 12);
      }
      // The step of each character, and what lies between two of them.
      const stepOf = (of: Span[]): number[] => of.flatMap(({ start, end }, n) => Array(end - start).fill(n));
      const [a, b] = [stepOf(reference), stepOf(predicted)];
      let [pk, diff, windows] = [0, 0, 0];
      for (let i = 0; i + k < length; i++, windows++) {
        if ((a[i] === a[i + k]) !== (b[i] === b[i + k])) pk++;
        if (a[i + k]! - a[i]! !== b[i + k]! - b[i]!) diff++;
      }
      expect(metrics.pk, label).toEqual(windows === 0 ? null : pk / windows);
      expect(metrics.windowDiff, label).toEqual(windows === 0 ? null : diff / windows);
      const nearest = found.map((at) => Math.min(...gold.map((other) => Math.abs(other - at))));
      const mean = nearest.reduce((x, y) => x + y, 0) / nearest.length;
      if (gold.length > 0 && found.length > 0) expect(metrics.meanDisplacement, label).toBeCloseTo(mean, 12);
    }
  });
});

describe('segmentationReport', () => {
  const tokenizer = new PieceTokenizer('t', ['', 'One', '. ', 'Two', '. Th', 'ree', '.', ' Two'], 0);
  const rollout = (id: string, text: string, ids: number[] | null): Rollout =>
    ({ rollout_id: id, response_text: text, response_ids: ids }) as unknown as Rollout;
  const segmenter = new RuleSegmenter({ unit: 'sentence', minChars: 1 });

  it('counts straddling tokens, lengths and steps without tokens', () => {
    // "One. |Two. |Three": ". Th" has bytes in two steps.
    const rollouts = [
      rollout('a', 'One. Two. Three', [1, 2, 3, 4, 5]),
      rollout('b', 'One. Two', [1, 6, 7, 0]),
    ];
    const steps = segmentRollouts(rollouts, segmenter, tokenizer);
    const report = segmentationReport({ rollouts, steps, tokenizer });
    expect(report).toMatchObject({
      responses: 2,
      steps: 5,
      reconstructionFailures: 0,
      atomicCuts: 0,
      tokens: 9,
      straddlingTokens: 2,
      straddlingRate: 2 / 9,
      stepsWithoutTokens: 0,
    });
    expect(report.charsPerStep).toMatchObject({ min: 3, p50: 5, max: 5, mean: 23 / 5 });
    expect(report.tokensPerStep).toMatchObject({ min: 1, max: 2, mean: 9 / 5 });
    expect(report.stepsPerResponse).toMatchObject({ min: 2, max: 3 });
  });

  it('counts boundaries inside atomic regions, and texts that the steps do not spell', () => {
    const text = 'So $a + b$ is';
    const step = (k: number, start: number, end: number): Step => ({
      rollout_id: 'a',
      segmenter_id: 's',
      k,
      char_start: start,
      char_end: end,
      token_start: null,
      token_end: null,
    });
    const rollouts = [rollout('a', text, null)];
    const cut = segmentationReport({ rollouts, steps: [step(0, 0, 6), step(1, 6, 13)], tokenizer: null });
    expect(cut).toMatchObject({ atomicCuts: 1, atomicRegions: 1, reconstructionFailures: 0, tokens: null });
    expect(cut).toMatchObject({ straddlingRate: null, tokensPerStep: null, stepsWithoutTokens: null });
    const edge = segmentationReport({ rollouts, steps: [step(0, 0, 3), step(1, 3, 13)], tokenizer: null });
    expect(edge.atomicCuts).toBe(0);
    const lost = segmentationReport({ rollouts, steps: [step(0, 0, 6)], tokenizer: null });
    expect(lost.reconstructionFailures).toBe(1);
  });

  it('has quantiles that occur', () => {
    expect(quantiles([])).toBeNull();
    expect(quantiles([4])).toMatchObject({ min: 4, p50: 4, max: 4, mean: 4 });
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(quantiles(hundred)).toEqual({
      min: 1,
      p05: 5,
      p25: 25,
      p50: 50,
      p75: 75,
      p95: 95,
      max: 100,
      mean: 50.5,
    });
  });
});

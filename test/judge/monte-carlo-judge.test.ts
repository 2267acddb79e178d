import { describe, expect, it } from 'vitest';
import type { Verdict } from '../../lib/data/records.ts';
import type { ContinuationRequest, Continuer } from '../../lib/judge/continuer.ts';
import type { JudgeRequest } from '../../lib/judge/judge.ts';
import { MonteCarloJudge, type MonteCarloJudgeOptions } from '../../lib/judge/monte-carlo-judge.ts';
import { seededRandom } from '../random.ts';

/** Tokens are characters; the prompt is "p…". */
const encode = (text: string) => [...text].map((character) => character.charCodeAt(0));
const decode = (ids: ArrayLike<number>) => String.fromCharCode(...Array.from(ids));

function requestOf(steps: string[], more: Partial<JudgeRequest> = {}): JudgeRequest {
  let end = 0;
  const stepEnds = steps.map(({ length }) => {
    end += length;
    return end;
  });
  const ids = { promptIds: encode('p'), responseIds: encode(steps.join('')), stepEnds };
  return { rolloutId: 'r', problem: 'p', groundTruth: 'R', steps, ...ids, ...more };
}

/** Reaches the gold answer with a chance that the prefix's last digit names, in tenths. */
class ScriptedContinuer implements Continuer {
  readonly id = 'scripted';
  readonly calls: ContinuationRequest[] = [];

  async continueFrom(request: ContinuationRequest) {
    this.calls.push(request);
    return request.prefixes.map((prefix, i) => {
      const text = decode(prefix);
      if (text.endsWith('!')) return null;
      const chance = Number(/(\d)\D*$/.exec(text)?.[1] ?? 0) / 10;
      const random = seededRandom(request.seeds[i]! % 2 ** 32);
      return Array.from({ length: request.samples }, () =>
        Int32Array.from(encode(random.next() < chance ? '..R' : text.includes('u') ? '..U' : '..W')),
      );
    });
  }
}

const verifier = {
  id: 'last-letter',
  verify: (response: string, gold: string): Verdict =>
    response.endsWith('U') ? 'unknown' : response.at(-1) === gold ? 'right' : 'wrong',
};
const judgeOf = (more: Partial<MonteCarloJudgeOptions> = {}) => {
  const continuer = new ScriptedContinuer();
  return { continuer, judge: new MonteCarloJudge({ continuer, verifier, decode, ...more }) };
};

describe('MonteCarloJudge', () => {
  it('continues from the end of every step but the last, which its own answer judges', async () => {
    const { judge, continuer } = judgeOf({ samples: 3 });
    const { judgements, usage } = await judge.judge(requestOf(['a9', 'b0', 'cR']));
    expect(continuer.calls[0]!.prefixes.map(decode)).toEqual(['pa9', 'pa9b0']);
    expect(judgements.map(({ label }) => label)).toEqual(['right', 'wrong', 'right']);
    expect(judgements[1]).toMatchObject({ score: 0, reason: '0 of 3 reach the answer' });
    expect(judgements[2]).toMatchObject({ score: 1, reason: 'own answer' });
    expect(usage.completionTokens).toBe(2 * 3 * 3);
    expect(judge.scope).toBe('prefix');
    expect(judge.id).toBe('monte-carlo-v1(samples=3,minRight=1,seed=0,verifier=last-letter):scripted');
    const [last] = (await judge.judge(requestOf(['aW']))).judgements;
    expect(last).toMatchObject({ label: 'wrong', score: 0 });
  });

  it.each([
    [4, 1],
    [4, 2],
    [2, 2],
  ])(
    'calls a step right as often as %d continuations with %d needed should, by the binomial law',
    async (samples, minRight) => {
      const { judge } = judgeOf({ samples, minRight });
      for (const chance of [1, 3, 5, 8]) {
        const count = 800;
        const requests = Array.from({ length: count }, (_, i) =>
          // The letters make the prefixes, and so the seeds, different; the digit is the chance.
          requestOf([`${String.fromCharCode(65 + (i % 26), 65 + Math.floor(i / 26))}${chance}`, 'W']),
        );
        const responses = await judge.judgeBatch(requests);
        const p = chance / 10;
        let missing = 0;
        for (let k = 0; k < minRight; k++) missing += choose(samples, k) * p ** k * (1 - p) ** (samples - k);
        const share = responses.filter(({ judgements }) => judgements[0]!.label === 'right').length / count;
        const mean = responses.reduce((sum, { judgements }) => sum + judgements[0]!.score!, 0) / count;
        expect(Math.abs(share - (1 - missing)), `chance ${p}`).toBeLessThan(0.07);
        expect(Math.abs(mean - p), `chance ${p}`).toBeLessThan(0.05);
      }
    },
  );

  it('gives the same verdicts alone, in any batch and in any order', async () => {
    const random = seededRandom(31);
    const requests = Array.from({ length: 40 }, (_, i) =>
      requestOf(
        Array.from({ length: random.int(1, 5) }, () => `${random.pick(['x', 'y'])}${random.int(0, 9)}`),
        { rolloutId: `r${i}` },
      ),
    );
    const { judge } = judgeOf();
    const together = (await judge.judgeBatch(requests)).map(({ judgements }) => judgements);
    const reversed = (await judge.judgeBatch(requests.toReversed())).map(({ judgements }) => judgements);
    expect(reversed.toReversed()).toEqual(together);
    for (const [i, request] of requests.entries()) {
      expect((await judge.judge(request)).judgements).toEqual(together[i]);
    }
    const other = await judgeOf({ seed: 1 }).judge.judgeBatch(requests);
    expect(other.map(({ judgements }) => judgements)).not.toEqual(together);
  });

  it('continues a prefix that several responses share once', async () => {
    const { judge, continuer } = judgeOf();
    const requests = [requestOf(['a5', 'b5', 'R']), requestOf(['a5', 'c5', 'W']), requestOf(['a5', 'W'])];
    const responses = await judge.judgeBatch(requests);
    expect(continuer.calls[0]!.prefixes.map(decode)).toEqual(['pa5', 'pa5b5', 'pa5c5']);
    expect(responses[0]!.judgements[0]).toEqual(responses[2]!.judgements[0]);
    expect(responses.map(({ usage }) => usage.completionTokens)).toEqual([24, 12, 0]);
  });

  it('verifies the response without its prompt, wherever the prompt ends', async () => {
    const seen: string[] = [];
    const spy = {
      id: 'spy',
      verify: (response: string): Verdict => {
        seen.push(response);
        return 'wrong';
      },
    };
    const { judge } = judgeOf({ verifier: spy, samples: 1 });
    // The same ids, but one prompt is longer.
    const longer = requestOf(['0', 'W'], { promptIds: encode('pa') });
    await judge.judgeBatch([requestOf(['a0', 'W']), longer]);
    expect(seen).toEqual(['a0..W', 'a0W', '0..W', '0W']);
  });

  it('asks only for the steps asked', async () => {
    const { judge, continuer } = judgeOf();
    const { judgements } = await judge.judge(requestOf(['a9', 'b9', 'cR'], { asked: [1] }));
    expect(judgements.map(({ reason }) => reason)).toEqual(['not-asked', expect.any(String), 'not-asked']);
    expect(continuer.calls[0]!.prefixes).toHaveLength(1);
  });

  it.each<[string, Partial<JudgeRequest>, string]>([
    ['no ids', { responseIds: null }, 'no-token-ids'],
    ['no prompt ids', { promptIds: null }, 'no-token-ids'],
    ['an empty prompt', { promptIds: [] }, 'no-token-ids'],
    ['no ends', { stepEnds: null }, 'no-token-ids'],
    ['ends past the ids', { stepEnds: [2, 99] }, 'no-token-ids'],
    ['no gold answer', { groundTruth: null }, 'no-ground-truth'],
  ])('abstains from a response with %s, and judges the others', async (_, more, reason) => {
    const { judge } = judgeOf();
    const [bad, good] = await judge.judgeBatch([requestOf(['a5', 'R'], more), requestOf(['a9', 'R'])]);
    for (const judgement of bad!.judgements) {
      expect(judgement).toMatchObject({ label: 'abstain', score: null });
      expect(judgement.reason).toMatch(reason);
    }
    expect(good!.judgements.map(({ label }) => label)).not.toContain('abstain');
  });

  it('abstains where there is no room, or no continuation has an answer that can be checked', async () => {
    const { judge } = judgeOf();
    const { judgements } = await judge.judge(requestOf(['a9!', 'u0', 'b8', 'xU']));
    expect(judgements.map(({ reason }) => reason!.split(':')[0])).toEqual([
      'context-overflow',
      'answer-unknown',
      expect.stringMatching(/of 4 reach the answer/),
      'answer-unknown',
    ]);
  });

  it('refuses a continuer that miscounts, and options out of range', async () => {
    const continuer: Continuer = { id: 'bad', continueFrom: async () => [] };
    const judge = new MonteCarloJudge({ continuer, verifier, decode });
    await expect(judge.judge(requestOf(['a', 'R']))).rejects.toMatchObject({ code: 'ERR_LAPIDARY_JUDGE' });
    for (const more of [{ samples: 0 }, { samples: 2, minRight: 3 }, { seed: -1 }, { batchSize: 0.5 }]) {
      expect(() => judgeOf(more)).toThrowError(expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT' }));
    }
  });
});

function choose(n: number, k: number): number {
  return k === 0 ? 1 : (choose(n, k - 1) * (n - k + 1)) / k;
}

import { describe, expect, it } from 'vitest';
import { applyPropagation } from '../../lib/judge/propagation.ts';
import { seededRandom } from '../../lib/random.ts';
import { chainExamples } from '../../lib/tasks/chain-examples.ts';
import { ChainJudge } from '../../lib/tasks/chain-judge.ts';
import {
  CHAIN_TEXT,
  chainAnswer,
  chainPrompt,
  chainPrompts,
  chainResponse,
  chainTokenizer,
  parseChainPrompt,
  rareFacts,
  trainingChain,
  uniformChain,
} from '../../lib/tasks/chain-task.ts';
import { verifyAnswer } from '../../lib/verify/verify-answer.ts';

const judge = new ChainJudge();

async function labelsOf(problem: string, steps: string[]) {
  const request = { rolloutId: 'r', problem, groundTruth: null, steps };
  return (await judge.judge(request)).judgements;
}

describe('the chain task', () => {
  it.each(Array.from({ length: 50 }, (_, seed) => seed))(
    'is consistent with itself (seed %i)',
    async (seed) => {
      const random = seededRandom(seed);
      const chain = uniformChain(random, 6);
      const prompt = chainPrompt(chain);
      expect(parseChainPrompt(prompt)).toEqual(chain);
      const response = chainResponse(chain, random, 0.3);
      expect(chainTokenizer.decode(chainTokenizer.encode(response))).toBe(response);
      expect(verifyAnswer(response, String(chainAnswer(chain))).verdict).toBe('right');
      expect(verifyAnswer(response, String((chainAnswer(chain) + 1) % 13)).verdict).toBe('wrong');
      const steps = response.split(/(?<=\n)/);
      const judgements = await labelsOf(prompt, steps);
      // A generated response ends right: every slip is followed by its correction.
      const labels = applyPropagation(judgements);
      steps.forEach((step, k) => {
        const slip = steps[k + 1]?.startsWith('wait ') ?? false;
        expect(labels[k], `${step} of ${response}`).toBe(slip ? 'wrong' : 'right');
      });
    },
  );

  it('judges each kind of mistake by its own rule', async () => {
    const prompt = '4+7*3-12:\n';
    const reasons = async (steps: string[]) => (await labelsOf(prompt, steps)).map(({ reason }) => reason);
    expect(await reasons(['4+7=11\n', '11*3=7\n', '7-12=8\n', 'answer 8'])).toEqual([null, null, null, null]);
    expect(await reasons(['4+7=12\n'])).toEqual(['it gives 11']);
    expect(await reasons(['4*7=2\n'])).toEqual(['the operation due is +7']);
    expect(await reasons(['5+7=12\n'])).toEqual(['the value so far is 4']);
    expect(await reasons(['4+7=12\n', '12*3=10\n'])).toEqual(['it gives 11', null]);
    expect(await reasons(['answer 4'])).toEqual(['operations are missing']);
    expect(await reasons(['wait 4+7=11\n'])).toEqual(['nothing to redo']);
    expect(await reasons(['4+7 is eleven'])).toEqual(['not a line of a chain']);
  });

  it('lets a correction recover, and nothing else', async () => {
    const steps = ['4+7=12\n', '12*3=10\n', 'wait 12*3=10\n', 'answer 10'];
    const stuck = await labelsOf('4+7*3:\n', steps);
    expect(stuck.map(({ label }) => label)).toEqual(['wrong', 'right', 'right', 'right']);
    expect(stuck.some(({ recovers }) => recovers)).toBe(false);
    expect(applyPropagation(stuck)).toEqual(['wrong', 'wrong', 'wrong', 'wrong']);
    const mended = await labelsOf('4+7*3:\n', ['4+7=12\n', 'wait 4+7=11\n', '11*3=7\n', 'answer 7']);
    expect(applyPropagation(mended)).toEqual(['wrong', 'right', 'right', 'right']);
  });

  it('draws rare facts rarely', () => {
    const rare = rareFacts(1, CHAIN_TEXT.rareShare);
    expect(rare.size / 507).toBeGreaterThan(0.12);
    const random = seededRandom(7);
    let shown = 0;
    let total = 0;
    for (let i = 0; i < 2000; i++) {
      const chain = trainingChain(random, rare, CHAIN_TEXT);
      const text = chainResponse(chain, random, 0);
      for (const [, fact] of text.matchAll(/(\d+[-+*]\d+)=/g)) {
        total += 1;
        if (rare.has(fact!)) shown += 1;
      }
    }
    expect(shown / total).toBeLessThan(0.02);
    expect(shown).toBeGreaterThan(0);
  });

  it('makes different prompts, none of the excluded ones', () => {
    const first = chainPrompts(200, 6, 3);
    const exclude = new Set(first.map(({ prompt_id }) => prompt_id));
    expect(exclude.size).toBe(200);
    const second = chainPrompts(200, 6, 3, exclude);
    expect(second.some(({ prompt_id }) => exclude.has(prompt_id))).toBe(false);
  });

  it('ends every training example with the end token', () => {
    for (const example of chainExamples(20, 5)) {
      expect(Array.from(example.responseIds).at(-1)).toBe(chainTokenizer.eosId);
      expect(example.tokenWeights.length).toBe(example.responseIds.length);
    }
  });
});

import { describe, expect, it } from 'vitest';
import { Prompt, Rollout } from '../../lib/data/records.ts';
import { verifiers, verifyRollouts } from '../../lib/verify/verify-rollouts.ts';

function prompt(id: string, style: string, groundTruth: string): [string, Prompt] {
  const messages = [{ role: 'user', content: 'q' }];
  return [id, Prompt.parse({ prompt_id: id, messages, reward_model: { style, ground_truth: groundTruth } })];
}

function rollout(id: string, promptId: string, text: string): Rollout {
  return Rollout.parse({
    rollout_id: id,
    prompt_id: promptId,
    iteration: 0,
    group_id: 'g',
    group_index: 0,
    response_text: text,
    sampler: { engine: 'e', model: 'm' },
    note: 'kept',
  });
}

const prompts = new Map([
  prompt('p', 'math', '5'),
  prompt('t', 'text', 'Paris'),
  prompt('c', 'chain', '5'),
  prompt('bad', 'math', ' '),
]);

describe('verifyRollouts', () => {
  it('adds verdict, reward, verifier and rule to new records and counts them', () => {
    const given = [
      rollout('a', 'p', '\\boxed{5}'),
      rollout('b', 'p', '\\boxed{6}'),
      rollout('c', 'p', 'hm'),
      rollout('d', 't', 'Answer: paris'),
    ];
    const before = structuredClone(given);
    const { rollouts, counts } = verifyRollouts(given, prompts);
    expect(given).toEqual(before);
    expect(
      rollouts.map(({ verdict, reward, verifier, verifier_rule }) => [
        verdict,
        reward,
        verifier,
        verifier_rule,
      ]),
    ).toEqual([
      ['right', 1, 'answer-v1', 'text-equal'],
      ['wrong', 0, 'answer-v1', 'rational-differs'],
      ['unknown', null, 'answer-v1', 'no-answer'],
      ['right', 1, 'answer-v1', 'text-equal'],
    ]);
    expect(rollouts.every((row) => row.note === 'kept')).toBe(true);
    expect(counts).toEqual({
      verdicts: { right: 2, wrong: 1, unknown: 1 },
      rules: { 'text-equal': 2, 'rational-differs': 1, 'no-answer': 1 },
    });
  });

  it('names the field at fault', () => {
    for (const [promptId, argument] of [
      ['none', 'prompt_id'],
      ['c', 'style'],
      ['bad', 'ground_truth'],
    ] as const) {
      expect(() => verifyRollouts([rollout('a', promptId, '5')], prompts)).toThrowError(
        expect.objectContaining({ code: 'ERR_LAPIDARY_DATA', argument }),
      );
    }
  });

  it('takes further styles from the caller', () => {
    const own = new Map([['chain', () => ({ verdict: 'right', rule: 'mine', extracted: null }) as const]]);
    const { rollouts } = verifyRollouts([rollout('a', 'c', 'x'), rollout('b', 'p', '\\boxed{5}')], prompts, {
      verifiers: own,
    });
    expect(rollouts.map((row) => row.verifier_rule)).toEqual(['mine', 'text-equal']);
    expect([...verifiers.keys()]).toEqual(['math', 'text']);
  });
});

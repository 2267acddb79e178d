import { describe, expect, it } from 'vitest';
import { Prompt, Rollout } from '../../lib/data/records.ts';
import type { SymbolicEngine } from '../../lib/verify/symbolic-engine.ts';
import { verifiers, verifyRollouts, verifyRolloutsWith } from '../../lib/verify/verify-rollouts.ts';

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
      ['right', 1, 'answer-v2', 'text-equal'],
      ['wrong', 0, 'answer-v2', 'rational-differs'],
      ['unknown', null, 'answer-v2', 'no-answer'],
      ['right', 1, 'answer-v2', 'text-equal'],
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

  it('asks an engine about the answers that the rules leave open, and about no others', async () => {
    const asked: [string, string][] = [];
    const engine: SymbolicEngine = {
      equal: async (a, b) => {
        asked.push([a, b]);
        return b.includes('3') ? 'different' : b.includes('t') ? 'timeout' : 'equal';
      },
    };
    const algebra = new Map([...prompts, prompt('x', 'math', 'x^2-1'), prompt('l', 'math', '(x+1, 2)')]);
    const given = [
      rollout('a', 'p', '\\boxed{5}'),
      rollout('b', 'x', '\\boxed{(x-1)(x+1)}'),
      rollout('c', 'x', '\\boxed{x^2-3}'),
      rollout('d', 'x', '\\boxed{t}'),
      rollout('e', 'l', '\\boxed{(1+x, 2)}'),
      rollout('f', 'x', 'no answer'),
    ];
    const { rollouts, counts } = await verifyRolloutsWith(given, algebra, { engine });
    expect(rollouts.map((row) => [row.verdict, row.reward, row.verifier_rule])).toEqual([
      ['right', 1, 'text-equal'],
      ['right', 1, 'symbolic-equal'],
      ['wrong', 0, 'symbolic-different'],
      ['unknown', null, 'symbolic-timeout'],
      ['right', 1, 'members-equal'],
      ['unknown', null, 'no-answer'],
    ]);
    expect(new Set(rollouts.map((row) => row.verifier))).toEqual(new Set(['answer-v2+symbolic']));
    expect(counts.verdicts).toEqual({ right: 3, wrong: 1, unknown: 2 });
    expect(asked).toEqual([
      ['x^2-1', '(x-1)(x+1)'],
      ['x^2-1', 'x^2-3'],
      ['x^2-1', 't'],
      ['x+1', '1+x'],
    ]);
    await expect(
      verifyRolloutsWith(given, algebra, { engine, signal: AbortSignal.abort() }),
    ).rejects.toThrowError(expect.objectContaining({ name: 'AbortError' }));
  });
});

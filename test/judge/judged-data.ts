import type { Prompt, Rollout, Step } from '../../lib/data/records.ts';

/** Responses r0, r1, …, each to a problem of its own ("problem 0", …), cut into steps of two characters. */
export function judgedData(texts: readonly string[]): {
  prompts: Prompt[];
  rollouts: Rollout[];
  steps: Step[];
} {
  const prompts = texts.map((_, i) => ({
    prompt_id: `p${i}`,
    messages: [{ role: 'user', content: `problem ${i}` }],
    reward_model: { style: 'math', ground_truth: `${i}` },
  }));
  const rollouts = texts.map((text, i) => ({
    ...{ rollout_id: `r${i}`, prompt_id: `p${i}`, iteration: 0, group_id: `g${i}`, group_index: 0 },
    ...{ response_text: text, sampler: { engine: 'e', model: 'm' } },
  }));
  const steps = texts.flatMap((text, i) =>
    Array.from({ length: Math.ceil(text.length / 2) }, (_, k) => ({
      ...{ rollout_id: `r${i}`, segmenter_id: 's', k },
      ...{
        char_start: 2 * k,
        char_end: Math.min(2 * k + 2, text.length),
        token_start: null,
        token_end: null,
      },
    })),
  );
  return { prompts, rollouts, steps };
}

import { createHash } from 'node:crypto';
import type { EvalRow, Prompt, Rollout, Step, StepVerdict, TrainRow } from '../../lib/data/records.ts';

/** Rows that are hard to store: every nullable field null or absent, empty lists, odd strings, odd columns. */
export const prompts: Prompt[] = [
  {
    prompt_id: 'p1',
    messages: [{ role: 'user', content: 'Löse 1+1 🧮\n"x" \\ \u0000' }],
    data_source: '\ufeffbom 👩‍👩‍👧',
    reward_model: { style: 'math', ground_truth: '2' },
    extra_info: { split: 'train', nested: { list: [1, [2.5, null]], none: null } },
    level: 5,
    'dotted.name': ['a', null],
    tags: [],
  },
  {
    prompt_id: 'p2',
    messages: [
      { role: 'system', content: '' },
      { role: 'user', content: 'half an emoji: \ud83e' },
    ],
    data_source: null,
    reward_model: { style: 'chain', ground_truth: '' },
    extra_info: {},
    level: null,
    list: 'a name of the file format',
  },
];

export const rollouts: Rollout[] = [
  {
    rollout_id: 'r1',
    prompt_id: 'p1',
    iteration: 0,
    group_id: 'g1',
    group_index: 0,
    prompt_ids: [],
    response_ids: [0, 151643, 2147483647],
    response_text: 'half: \udd2e, whole: 🤮',
    behavior_logprobs: [-0, -0.1, -1e-300],
    ref_logprobs: [-0.5, -2.25, -0],
    logprob_kind: 'raw_full_vocab',
    sampler: { engine: 'vllm', model: 'm', temperature: 0.6, top_p: 0.95 },
    finish_reason: 'stop',
    verdict: 'wrong',
    reward: -0,
    verifier: 'math',
    verifier_rule: 'no-answer',
    source_label: false,
  },
  {
    rollout_id: 'r2',
    prompt_id: 'p1',
    iteration: 2 ** 40,
    group_id: 'g1',
    group_index: 1,
    prompt_ids: [2 ** 53 - 1],
    response_ids: [],
    response_text: '',
    behavior_logprobs: [],
    ref_logprobs: [],
    logprob_kind: 'recomputed_trainer',
    sampler: { engine: 'vllm', model: 'm', temperature: null },
    finish_reason: null,
    verdict: 'unknown',
    reward: 0.1,
    verifier: 'math',
    verifier_rule: 'x',
  },
];

export const steps: Step[] = [
  {
    rollout_id: 'r1',
    segmenter_id: 's',
    k: 0,
    char_start: 0,
    char_end: 5,
    token_start: null,
    token_end: null,
  },
  {
    rollout_id: 'r1',
    segmenter_id: 's',
    k: 1,
    char_start: 5,
    char_end: 9,
    token_start: 0,
    token_end: 2,
    why: '',
  },
];

const verdict = { rollout_id: 'r1', segmenter_id: 's', judge_id: 'j' };
export const verdicts: StepVerdict[] = [
  { ...verdict, k: 0, label: 1, recovers: true, scope: 'prefix', score: 0.1, reason: '' },
  { ...verdict, k: 1, label: 0, recovers: null, scope: 'step', score: 1e300, reason: 'falsch ✗' },
  { ...verdict, k: 2, label: -1, recovers: false, scope: null, score: null, reason: null },
];

export const trainRows: TrainRow[] = [
  { rollout_id: 'r1', group_id: 'g', advantage: -0.7071067811865475, token_weight: [], drop_reason: null },
  {
    rollout_id: 'r2',
    group_id: 'g',
    advantage: -0,
    token_weight: [1, 0.5, -0, 0],
    drop_reason: 'flat_group',
  },
];

export const evalRows: EvalRow[] = [
  { run_id: 'run', prompt_id: 'p1', n: 4, c: 0, greedy: true },
  { run_id: 'run', prompt_id: 'p2', n: 4, c: 3, greedy: false },
];

/** Uniform on [0, 1): SHA-256 of seed and counter, so that a printed seed is enough to run a case again. */
export function uniforms(seed: string): () => number {
  let counter = 0;
  return () => createHash('sha256').update(`${seed}:${counter++}`).digest().readUIntBE(0, 6) / 2 ** 48;
}

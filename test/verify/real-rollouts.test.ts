import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { verifyAnswer } from '../../lib/verify/verify-answer.ts';

interface Row {
  prompt_id: string;
  sample_index: number;
  model: string;
  response: string;
  gold_answer: string;
  source_label: boolean | null;
  check: 'right' | 'wrong' | 'no-answer';
}

const FILE = new URL('../../examples/rollouts-real/rollouts.jsonl', import.meta.url);
const rows = readFileSync(FILE, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Row);
const verdicts = rows.map((row) => ({ row, ...verifyAnswer(row.response, row.gold_answer) }));
const name = (row: Row): string => `${row.prompt_id}#${row.sample_index} ${row.model}`;

const PARABOLA = 'areal/olympiad_bench/45/openmath-nemotron-1.5b';

/** Where the verdict is not the file's `check`, and why the verdict is the better one. */
const AGAINST_CHECK: readonly { why: string; verdict: string; ids: readonly string[] }[] = [
  {
    why: 'y=2 x^{2}-18 and y = 2x^2 - 18 are the same equation; the source says right too',
    verdict: 'right',
    ids: [0, 1, 2, 3, 4, 5, 6, 7].map((sample) => `${PARABOLA}#${sample} OpenMath-Nemotron-1.5B`),
  },
  {
    why: '3 ± 2√2 is the set of 3 + 2√2 and 3 - 2√2',
    verdict: 'right',
    ids: [
      'skythought/math500/284#0 Qwen/Qwen2.5-14B-Instruct',
      'skythought/math500/284#0 google/gemma-2-27b-it',
      'skythought/math500/284#0 Sky-T1-math-correct-5K-27B',
    ],
  },
  {
    why: '25 + 169 is 194; the source compared text as well',
    verdict: 'right',
    ids: [
      'rg-eval/amc23/33/step800#19 llama-3b-instruct-rg-math/step_800',
      'rg-eval/amc23/33/step800#21 llama-3b-instruct-rg-math/step_800',
    ],
  },
  { why: '17 hours is 17', verdict: 'right', ids: ['zeroeval/gsm8k/945#0 01-ai/Yi-1.5-9B-Chat'] },
  {
    why: 'the answer is stated as "Answer: {1: 2, 2: 4}", without quotes',
    verdict: 'right',
    ids: ['zeroeval/cruxeval-output/265#0 01-ai/Yi-1.5-9B-Chat'],
  },
  {
    why: 'the answer field stands between single quotes, and is another list',
    verdict: 'wrong',
    ids: ['zeroeval/cruxeval-output/599#0 microsoft/Phi-3.5-mini-instruct'],
  },
  {
    why: 'cut off inside the thought: a box on the way is no answer',
    verdict: 'unknown',
    ids: ['skythought/aime24/24#0 Sky-T1-math-wrong-5K-27B'],
  },
];

/** Where the verdict is not the source's own label, other than "no answer" for the source's "wrong". */
const AGAINST_SOURCE: readonly string[] = [
  'rg-eval/amc23/33/step800#19 llama-3b-instruct-rg-math/step_800', // the source compared 25 + 169 = 194 as text
  'rg-eval/amc23/33/step800#21 llama-3b-instruct-rg-math/step_800',
  'skythought/aime24/24#0 Sky-T1-math-wrong-5K-27B', // cut off inside the thought; the source took a box on the way
  'skythought/math500/284#0 Qwen/Qwen2.5-14B-Instruct', // the source compared 3 ± 2√2 as text
  'skythought/math500/284#0 google/gemma-2-27b-it',
  'skythought/math500/284#0 Sky-T1-math-correct-5K-27B',
];

const count = (verdict: string): number => verdicts.filter((row) => row.verdict === verdict).length;

describe('the 502 real responses', () => {
  it('get these verdicts', () => {
    expect({ right: count('right'), wrong: count('wrong'), unknown: count('unknown') }).toEqual({
      right: 238,
      wrong: 244,
      unknown: 20,
    });
    expect(new Set(verdicts.filter((row) => row.verdict === 'unknown').map((row) => row.rule))).toEqual(
      new Set(['no-answer']),
    );
  });

  it('differ from the quick check only where listed', () => {
    const differing = verdicts.filter(
      ({ verdict, row }) => verdict !== (row.check === 'no-answer' ? 'unknown' : row.check),
    );
    const found = differing.map(({ row, verdict }) => `${name(row)}: ${verdict}`).sort();
    const expected = AGAINST_CHECK.flatMap(({ ids, verdict }) => ids.map((id) => `${id}: ${verdict}`)).sort();
    expect(found).toEqual(expected);
  });

  it('differ from the label of the source only where listed', () => {
    const differing = verdicts.filter(
      ({ verdict, row }) => row.source_label !== null && (verdict === 'right') !== row.source_label,
    );
    expect(differing.map(({ row }) => name(row)).sort()).toEqual([...AGAINST_SOURCE].sort());
  });
});

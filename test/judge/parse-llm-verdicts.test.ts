import { expect, it } from 'vitest';
import { parseLlmVerdicts } from '../../lib/judge/parse-llm-verdicts.ts';
import { seededRandom } from '../random.ts';

const steps = ['one is 1', 'two is 2', 'three is 4'];
const expected = { judged: [0, 1, 2], steps, version: 'v2' } as const;
const good = [1, 2, 3].map((index) => ({
  ...{ index, reason: `reason ${index}`, error_type: index === 3 ? 'calculation' : 'none' },
  ...{ faulty_span: index === 3 ? 'is 4' : null, depends_on: index === 1 ? [] : [index - 1] },
  ...{ recovers: false, verdict: index === 3 ? 'wrong' : 'right' },
}));

it('reads what version 2 tells', () => {
  const parsed = parseLlmVerdicts(JSON.stringify({ judgements: good }), expected);
  expect(parsed.ok && parsed.found.get(2)).toEqual({
    ...{ label: 'wrong', recovers: false, score: null, reason: 'reason 3' },
    ...{ errorType: 'calculation', faultySpan: 'is 4', dependsOn: [1] },
  });
});

it('takes off thoughts and a fence, and nothing else', () => {
  const text = JSON.stringify({ judgements: good });
  const ok = (content: string) => parseLlmVerdicts(content, expected).ok;
  expect(ok(`<think>{"judgements": []}</think>\n${text}`)).toBe(true);
  expect(ok(`<think>hm</think>\n\`\`\`json\n${text}\n\`\`\`\n`)).toBe(true);
  expect(ok(`Here it is: ${text}`)).toBe(false);
  expect(ok(`${text} ${text}`)).toBe(false);
  expect(ok(`${text.slice(0, -1)},}`)).toBe(false);
});

it('gives no verdict that the text does not hold, however it is damaged', () => {
  const random = seededRandom(77);
  console.log(`seed ${random.seed}`);
  const text = JSON.stringify({ judgements: good });
  const alphabet = [...'0123456789"{}[],:-. truefalsenlwong'];
  let readable = 0;
  for (let i = 0; i < 1500; i++) {
    const characters = [...text];
    for (let edits = random.int(1, 3); edits > 0; edits--) {
      const at = random.int(0, characters.length - 1);
      characters.splice(at, random.int(0, 2), ...(random.int(0, 1) === 0 ? [] : [random.pick(alphabet)]));
    }
    const damaged = characters.join('');
    const parsed = parseLlmVerdicts(damaged, expected);
    if (!parsed.ok) continue;
    readable++;
    expect([...parsed.found.keys()].sort()).toEqual([0, 1, 2]);
    const entries = (JSON.parse(damaged) as { judgements: (typeof good)[number][] }).judgements;
    for (const [position, judgement] of parsed.found) {
      if ('rejected' in judgement) continue;
      const own = entries.filter(({ index }) => index === position + 1);
      expect(own).toHaveLength(1);
      const label = own[0]!.verdict === 'unsure' ? 'abstain' : own[0]!.verdict;
      expect(judgement.label).toBe(label);
      expect(judgement.reason).toContain(own[0]!.reason);
    }
  }
  expect(readable).toBeGreaterThan(50);
});

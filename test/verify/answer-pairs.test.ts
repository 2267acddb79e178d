import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { ComputeEngineSymbolic } from '../../lib/verify/symbolic-engine.ts';
import { verifyAnswer } from '../../lib/verify/verify-answer.ts';
import { verifyAnswerWith } from '../../lib/verify/verify-answer-with.ts';
import { nearMisses } from './near-misses.mjs';

interface Row {
  type: string;
  gold: string;
  given: string[];
  /** Near misses that mean the same after all. */
  same?: string[];
}

const rows = JSON.parse(readFileSync(new URL('answer-pairs.json', import.meta.url), 'utf8')) as Row[];
const pairs = rows.flatMap((row) => row.given.map((given) => ({ ...row, given })));
const engine = new ComputeEngineSymbolic({ timeoutMs: 20_000 });
afterAll(() => engine[Symbol.asyncDispose]());

/** As a field, which carries any text; a box carries balanced braces only. */
const field = (answer: string): string => `{"answer": ${JSON.stringify(answer)}}`;

describe('pairs of equal answers', () => {
  it('are at least 200', () => {
    expect(pairs.length).toBeGreaterThanOrEqual(200);
  });

  it.each(pairs)('$type: $gold is $given', async ({ gold, given }) => {
    expect((await verifyAnswerWith(field(given), gold, engine)).verdict).toBe('right');
    const alone = verifyAnswer(field(given), gold);
    if (alone.verdict !== 'right') expect(alone).toMatchObject({ verdict: 'unknown', rule: 'symbolic' });
  });

  it.each(rows)('$type: $gold has no near miss that is right', async ({ type, gold, given, same = [] }) => {
    const right: string[] = [];
    for (const miss of given.flatMap((text) => nearMisses(text, { type }))) {
      const { verdict, rule } = await verifyAnswerWith(field(miss.text), gold, engine);
      if (verdict === 'right' && !same.includes(miss.text))
        right.push(`${miss.edit}: ${miss.text} (${rule})`);
    }
    expect(right).toEqual([]);
  });
});

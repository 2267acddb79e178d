import { z } from 'zod';
import { type AbstainClass, abstain } from './abstain-class.ts';
import type { StepJudgement } from './judge.ts';
import type { PromptVersion } from './llm-prompt.ts';
import { ERROR_TYPES } from './llm-prompt-v2.ts';

export { type AbstainClass, abstainAll } from './abstain-class.ts';

/** What a model of prompt version 2 tells beyond its verdict. Positions count from 0. */
export interface LlmJudgement extends StepJudgement {
  /** Null where the step is not wrong. */
  errorType?: string | null;
  /** Where the first error is, word for word; null where the model's quotation is not in the step. */
  faultySpan?: string | null;
  dependsOn?: number[];
}

export interface ExpectedVerdicts {
  /** Positions of the steps asked about. */
  judged: readonly number[];
  steps: readonly string[];
  version: PromptVersion;
}

export type ParsedVerdicts =
  /** By position: a judgement for each step asked about, or why there is none. */
  | { ok: true; found: Map<number, LlmJudgement | { rejected: AbstainClass }> }
  /** The reply as a whole cannot be used; worth asking again. */
  | { ok: false; problem: string; failure: AbstainClass };

const Reply = z.object({ judgements: z.array(z.unknown()) });
const Indexed = z.looseObject({ index: z.number().int() });
const Entry = z.object({
  index: z.number().int(),
  reason: z.string(),
  recovers: z.boolean(),
  verdict: z.enum(['right', 'wrong', 'unsure']),
});
const Details = z.object({
  error_type: z.enum([...ERROR_TYPES, 'none']),
  faulty_span: z.string().nullish(),
  depends_on: z.array(z.number().int()).nullish(),
});

/**
 * Reads a reply by its explicit indices, never by position. A step whose index is missing, given twice or carries an
 * unreadable verdict has none. An index that was not asked for means that the judge numbers the steps differently, so
 * none of its verdicts can be placed and the whole reply is refused.
 */
export function parseLlmVerdicts(content: string, expected: ExpectedVerdicts): ParsedVerdicts {
  const reply = parseReply(content);
  if (typeof reply === 'string') return { ok: false, problem: reply, failure: 'malformed' };
  const asked = new Set(expected.judged);
  const found = new Map<number, LlmJudgement | { rejected: AbstainClass }>();
  for (const item of reply) {
    const indexed = Indexed.safeParse(item);
    if (!indexed.success)
      return { ok: false, problem: 'an entry has no integer "index"', failure: 'malformed' };
    const position = indexed.data.index - 1;
    if (!asked.has(position)) {
      const problem = `index ${position + 1} was not asked for`;
      return { ok: false, problem, failure: 'out-of-range-index' };
    }
    found.set(position, found.has(position) ? { rejected: 'duplicate-index' } : readEntry(item, expected));
  }
  for (const position of expected.judged) {
    if (!found.has(position)) found.set(position, { rejected: 'missing-index' });
  }
  return { ok: true, found };
}

function readEntry(item: unknown, expected: ExpectedVerdicts): LlmJudgement | { rejected: AbstainClass } {
  const entry = Entry.safeParse(item);
  if (!entry.success) return { rejected: 'invalid-verdict' };
  const { index, verdict, reason, recovers } = entry.data;
  const judgement: StepJudgement =
    verdict === 'unsure'
      ? { ...abstain('unsure'), reason: `unsure: ${reason}` }
      : { label: verdict, recovers: verdict === 'right' && recovers, score: null, reason };
  if (expected.version === 'v1') return judgement;
  const details = Details.safeParse(item);
  if (!details.success) return { rejected: 'invalid-verdict' };
  const { error_type, faulty_span, depends_on } = details.data;
  // The verdict must fit what the model itself says of the error.
  if ((verdict === 'wrong') === (error_type === 'none') && verdict !== 'unsure')
    return { rejected: 'inconsistent' };
  const wrong = verdict === 'wrong';
  const step = expected.steps[index - 1] ?? '';
  const earlier = new Set((depends_on ?? []).filter((other) => other >= 1 && other < index));
  return {
    ...judgement,
    errorType: wrong ? error_type : null,
    faultySpan: wrong && faulty_span != null && step.includes(faulty_span) ? faulty_span : null,
    dependsOn: [...earlier].sort((a, b) => a - b).map((other) => other - 1),
  };
}

/** The entries, or what is wrong with the reply. */
function parseReply(content: string): unknown[] | string {
  let value: unknown;
  try {
    value = JSON.parse(undecorated(content));
  } catch {
    return 'it is not valid JSON';
  }
  const reply = Reply.safeParse(value);
  return reply.success ? reply.data.judgements : 'it is not an object with a "judgements" array';
}

/** Two decorations are taken off: thoughts before the reply, and a code fence around the whole of it. */
function undecorated(content: string): string {
  const thoughts = /^\s*<think>[\s\S]*?<\/think>/.exec(content);
  const text = content.slice(thoughts?.[0].length ?? 0).trim();
  if (!text.startsWith('```') || !text.endsWith('```')) return text;
  const lineEnd = text.indexOf('\n');
  return lineEnd === -1 ? text : text.slice(lineEnd + 1, -3);
}

import { z } from 'zod';
import type { StepJudgement } from './judge.ts';

/** Why a step has no verdict; stored as the reason of the abstention. */
export type AbstainClass =
  | 'missing-index'
  | 'duplicate-index'
  | 'out-of-range-index'
  | 'invalid-verdict'
  | 'unsure'
  | 'malformed'
  | 'truncated'
  | 'refusal'
  | 'rate-limited'
  | 'timeout'
  | 'network'
  | `http-${string}`;

export type ParsedVerdicts =
  | { ok: true; judgements: StepJudgement[] }
  /** The reply as a whole is no list of verdicts; worth asking again. */
  | { ok: false; problem: string };

const Reply = z.object({ judgements: z.array(z.unknown()) });
const Indexed = z.looseObject({ index: z.number().int() });
const Entry = z.object({
  index: z.number().int(),
  reason: z.string(),
  recovers: z.boolean(),
  verdict: z.enum(['right', 'wrong', 'unsure']),
});

/**
 * Reads a reply by its explicit indices, never by position. A step whose index is missing, given twice or carries an
 * unreadable verdict abstains. An index outside 1…count means that the judge numbers the steps differently, so none
 * of its verdicts can be placed and all abstain.
 */
export function parseLlmVerdicts(content: string, count: number): ParsedVerdicts {
  const reply = parseReply(content);
  if (typeof reply === 'string') return { ok: false, problem: reply };
  const byIndex = new Map<number, StepJudgement>();
  for (const item of reply) {
    const indexed = Indexed.safeParse(item);
    if (!indexed.success) return { ok: false, problem: 'an entry has no integer "index"' };
    const { index } = indexed.data;
    if (index < 1 || index > count) return { ok: true, judgements: abstainAll(count, 'out-of-range-index') };
    byIndex.set(index, byIndex.has(index) ? abstain('duplicate-index') : judgementOf(item));
  }
  const judgements = Array.from({ length: count }, (_, k) => byIndex.get(k + 1) ?? abstain('missing-index'));
  return { ok: true, judgements };
}

/** `count` abstentions of one class. */
export function abstainAll(count: number, reason: AbstainClass): StepJudgement[] {
  return Array.from({ length: count }, () => abstain(reason));
}

function abstain(reason: AbstainClass): StepJudgement {
  return { label: 'abstain', recovers: false, score: null, reason };
}

function judgementOf(item: unknown): StepJudgement {
  const entry = Entry.safeParse(item);
  if (!entry.success) return abstain('invalid-verdict');
  const { verdict, reason, recovers } = entry.data;
  if (verdict === 'unsure') return { ...abstain('unsure'), reason: `unsure: ${reason}` };
  return { label: verdict, recovers: verdict === 'right' && recovers, score: null, reason };
}

/** The entries, or what is wrong with the reply. */
function parseReply(content: string): unknown[] | string {
  let value: unknown;
  try {
    value = JSON.parse(unfence(content));
  } catch {
    return 'it is not valid JSON';
  }
  const reply = Reply.safeParse(value);
  return reply.success ? reply.data.judgements : 'it is not an object with a "judgements" array';
}

/** A code fence around the whole reply is the one decoration taken off. */
function unfence(content: string): string {
  const text = content.trim();
  if (!text.startsWith('```') || !text.endsWith('```')) return text;
  const lineEnd = text.indexOf('\n');
  return lineEnd === -1 ? text : text.slice(lineEnd + 1, -3);
}

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { nonFiniteField } from '../data/non-finite-field.ts';
import { parseRow } from '../data/parse-row.ts';
import { dataError } from '../errors.ts';
import type { StepJudgement } from './judge.ts';
import type { RecordedUsage } from './recorded-response.ts';

const count = z.number().min(0);

const Judgement = z.looseObject({
  label: z.enum(['right', 'wrong', 'abstain']),
  recovers: z.boolean(),
  score: z.number().nullable(),
  reason: z.string().nullable(),
});

const Row = z.looseObject({
  key: z.string().regex(/^[0-9a-f]{64}$/),
  judge_id: z.string().min(1),
  rollout_id: z.string().min(1),
  status: z.enum(['done', 'failed']),
  judgements: z.array(Judgement),
  usage: z.looseObject({
    ...{ promptTokens: count, completionTokens: count, seconds: count },
    ...{ costUsd: count.optional(), requests: count.optional() },
    ...{ cachedPromptTokens: count.optional(), windowedSteps: count.optional() },
  }),
  reply_sha256: z.string().nullable(),
  attempt: z.number().int().min(1),
  created_at: z.string(),
});

/** One finished (judge, response). */
export interface JournalEntry {
  /** Content key of the question; see journalKey. */
  key: string;
  judge_id: string;
  /** The first rollout with this content. */
  rollout_id: string;
  /** 'failed': some step has no verdict because the judge could not be asked. */
  status: 'done' | 'failed';
  judgements: StepJudgement[];
  usage: RecordedUsage;
  /** SHA-256 over the raw replies, where the judge keeps it. */
  reply_sha256: string | null;
  /** 1 the first time; one more each time that a failed response is asked about again. */
  attempt: number;
  created_at: string;
}

export const JOURNAL_HEADER = '{"lapidary":"judge-journal","version":1}';

const CHECKED = /^(.*),"check":"([0-9a-f]{16})"\}$/s;

/** One line without its newline: the entry with a checksum of the rest as its last field. */
export function journalLine(entry: JournalEntry, file: string, line: number): string {
  const bad = nonFiniteField(entry);
  if (bad !== null) throw dataError(file, line, bad.field, `is ${bad.value}, which JSON cannot express`);
  const text = JSON.stringify(entry);
  return `${text.slice(0, -1)},"check":"${checkOf(text)}"}`;
}

/** Every defect is ERR_LAPIDARY_DATA with file and line. */
export function parseJournalLine(text: string, file: string, line: number): JournalEntry {
  const [, content, check] = CHECKED.exec(text) ?? [];
  if (content === undefined)
    throw dataError(file, line, 'check', 'is missing: this is no line of a judge journal');
  if (checkOf(`${content}}`) !== check)
    throw dataError(file, line, 'check', 'does not fit: the line was damaged or edited');
  const row = parseRow(`${content}}`, Row, file, line);
  // JSON holds no undefined, so an optional count is a number or absent.
  return row as JournalEntry;
}

function checkOf(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex').slice(0, 16);
}

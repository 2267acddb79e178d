import { z } from 'zod';
import type { CallTokens } from './exchange.ts';

/**
 * How a server writes K scores. 'pairs': K rows of (wrong, right) probabilities. 'scalars': K numbers. 'column': K
 * rows of one. 'row': one row of K.
 */
export type ScoreShape = 'pairs' | 'scalars' | 'column' | 'row';

const Reply = z.object({
  data: z.array(z.object({ data: z.unknown() })).length(1),
  usage: z.object({ prompt_tokens: z.number().nullish() }).nullish(),
});

/** Null where the JSON is no answer of `/pooling` to one input. `data` is as nested as the server sent it. */
export function readPooling(json: unknown): { value: { data: unknown }; tokens: CallTokens | null } | null {
  const reply = Reply.safeParse(json);
  if (!reply.success) return null;
  const promptTokens = reply.data.usage?.prompt_tokens ?? null;
  const tokens = promptTokens === null ? null : { promptTokens, completionTokens: 0, cachedPromptTokens: 0 };
  return { value: { data: reply.data.data[0]!.data }, tokens };
}

/** The shape in which `count` scores (3 or more, so that shapes can be told apart) came; null where it is none. */
export function shapeOf(data: unknown, count: number): ScoreShape | null {
  for (const shape of ['pairs', 'scalars', 'column', 'row'] as const) {
    if (rowsOf(data, shape)?.length === count) return shape;
  }
  return null;
}

/** Why the scores cannot be used, or the scores: null for a step whose own is not a probability. */
export function scoresOf(data: unknown, shape: ScoreShape, count: number): string | (number | null)[] {
  const rows = rowsOf(data, shape);
  if (rows === null) return `score-shape: expected ${shape}`;
  if (rows.length !== count) return `score-count: ${rows.length} scores for ${count} separators`;
  return rows.map((row) => probability(row, shape));
}

/** One entry per score: a number, or for pairs a row of two. */
function rowsOf(data: unknown, shape: ScoreShape): unknown[] | null {
  if (!Array.isArray(data)) return null;
  if (shape === 'scalars') return data.every((value) => !Array.isArray(value)) ? data : null;
  if (!data.every((row): row is unknown[] => Array.isArray(row))) return null;
  if (shape === 'row') return data.length === 1 && !data[0]!.some(Array.isArray) ? data[0]! : null;
  const width = shape === 'pairs' ? 2 : 1;
  if (!data.every((row) => row.length === width)) return null;
  return shape === 'pairs' ? data : data.map((row) => row[0]);
}

/** Softmax over two labels in half precision sums to 1 within this. */
const SUM_TOLERANCE = 0.02;

function probability(row: unknown, shape: ScoreShape): number | null {
  const value = shape === 'pairs' ? (row as unknown[])[1] : row;
  if (!isProbability(value)) return null;
  if (shape !== 'pairs') return value;
  const other = (row as unknown[])[0];
  return isProbability(other) && Math.abs(value + other - 1) <= SUM_TOLERANCE ? value : null;
}

function isProbability(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= 1;
}

import type { Rollout } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import type { Tokenizer } from './tokenizer.ts';

/**
 * What says that a rollout's ids were made by another tokenizer, or null: ids of one vocabulary mean nothing in another,
 * and many of them decode without a complaint. `sampler.tokenizer_sha256` is compared with the tokenizer's file, and
 * without it `sampler.tokenizer` with its id. A rollout that names neither, or has no ids, passes.
 */
export function tokenizerFault(
  rollout: Rollout,
  tokenizer: Tokenizer,
): { field: string; problem: string } | null {
  if (rollout.response_ids == null && rollout.prompt_ids == null) return null;
  const { tokenizer_sha256: sha256, tokenizer: name } = rollout.sampler;
  if (sha256 != null) {
    const expected = tokenizer.sha256;
    if (typeof sha256 === 'string' && sha256.toLowerCase() === expected) return null;
    return fault('tokenizer_sha256', sha256, expected ?? `${tokenizer.id}, which has no file`);
  }
  return name == null || name === tokenizer.id ? null : fault('tokenizer', name, tokenizer.id);
}

/** Refuses rollouts whose ids were made by another tokenizer: ERR_LAPIDARY_DATA with rollout id, expected and found. */
export function checkTokenizer(rollouts: Iterable<Rollout>, tokenizer: Tokenizer): void {
  for (const rollout of rollouts) {
    const found = tokenizerFault(rollout, tokenizer);
    if (found === null) continue;
    const message = `rollout ${rollout.rollout_id}: ${found.field}: ${found.problem}`;
    throw new LapidaryError('ERR_LAPIDARY_DATA', message, { argument: found.field });
  }
}

function fault(field: string, found: unknown, expected: string) {
  const problem = `found ${JSON.stringify(found)}, expected ${expected}: its ids belong to another tokenizer`;
  return { field: `sampler.${field}`, problem };
}

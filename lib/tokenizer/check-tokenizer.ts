import type { Rollout } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import type { Tokenizer } from './tokenizer.ts';

/**
 * Refuses rollouts whose ids were made by another tokenizer: ids of one vocabulary mean nothing in another, and
 * many of them decode without a complaint. `sampler.tokenizer_sha256` is compared with the tokenizer's file, and
 * without it `sampler.tokenizer` with its id. A rollout that names neither, or has no ids, passes.
 * Throws ERR_LAPIDARY_DATA with rollout id, expected and found.
 */
export function checkTokenizer(rollouts: Iterable<Rollout>, tokenizer: Tokenizer): void {
  for (const rollout of rollouts) {
    if (rollout.response_ids == null && rollout.prompt_ids == null) continue;
    const sha256 = rollout.sampler.tokenizer_sha256;
    const name = rollout.sampler.tokenizer;
    if (sha256 != null) {
      const expected = tokenizer.sha256;
      if (typeof sha256 === 'string' && sha256.toLowerCase() === expected) continue;
      throw refusal(rollout, 'tokenizer_sha256', sha256, expected ?? `${tokenizer.id}, which has no file`);
    }
    if (name != null && name !== tokenizer.id) throw refusal(rollout, 'tokenizer', name, tokenizer.id);
  }
}

function refusal(rollout: Rollout, field: string, found: unknown, expected: string): LapidaryError {
  const message = `rollout ${rollout.rollout_id}: sampler.${field}: found ${JSON.stringify(found)}, expected ${expected}: its ids belong to another tokenizer`;
  return new LapidaryError('ERR_LAPIDARY_DATA', message, { argument: `sampler.${field}` });
}

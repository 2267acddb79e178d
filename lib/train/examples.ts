import type { Rollout, TrainRow } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import { packTokens } from '../policy/pack.ts';
import type { PackedTokens, Policy } from '../policy/policy.ts';

/** One response as the trainer sees it: prompt and response ids, and a weight for each response token. */
export interface Example {
  rolloutId: string;
  promptIds: ArrayLike<number>;
  responseIds: ArrayLike<number>;
  advantage: number;
  /** One per response token. */
  tokenWeights: ArrayLike<number>;
  /** log mu per response token, as the sampler recorded them. */
  behaviourLogprobs: ArrayLike<number> | null;
  /** log pi_ref per response token, the usual anchor of S. Null until `addReferenceLogprobs`. */
  refLogprobs: ArrayLike<number> | null;
  /** Responses of one group share a baseline, and make pairs. */
  groupId?: string;
  reward?: number;
  /** The verdict; absent where it is unknown. */
  right?: boolean;
  /** The share of right answers in its group, 0 <= q < 1, which NFT reads. */
  quality?: number;
  /** Another prompt's response after this prompt, for KTO's reference point. */
  mismatched?: Mismatched;
}

export interface Mismatched {
  promptIds: ArrayLike<number>;
  responseIds: ArrayLike<number>;
  refLogprobs: ArrayLike<number>;
}

/** Joins train rows with their rollouts. Rows with a drop reason must have been left out by the view. */
export function examplesOf(rows: readonly TrainRow[], rollouts: ReadonlyMap<string, Rollout>): Example[] {
  return rows.map((row) => {
    const rollout = rollouts.get(row.rollout_id);
    if (rollout === undefined) throw missing(row.rollout_id, 'rollout', 'its rollout is not in the table');
    const { prompt_ids: promptIds, response_ids: responseIds } = rollout;
    if (promptIds == null || promptIds.length === 0)
      throw missing(row.rollout_id, 'prompt_ids', 'it is empty');
    if (responseIds == null) throw missing(row.rollout_id, 'response_ids', 'it is absent');
    if (row.token_weight.length !== responseIds.length) {
      throw missing(
        row.rollout_id,
        'token_weight',
        `it has ${row.token_weight.length} entries for ${responseIds.length} response tokens`,
      );
    }
    return {
      ...{ rolloutId: row.rollout_id, promptIds, responseIds, advantage: row.advantage },
      tokenWeights: row.token_weight,
      behaviourLogprobs: rollout.behavior_logprobs ?? null,
      refLogprobs: rollout.ref_logprobs ?? null,
      ...{ groupId: row.group_id, ...verdictOf(rollout) },
    };
  });
}

function verdictOf({ verdict, reward }: Rollout): Pick<Example, 'right' | 'reward'> {
  if (verdict == null || verdict === 'unknown') return reward == null ? {} : { reward };
  const right = verdict === 'right';
  return { right, reward: reward ?? (right ? 1 : 0) };
}

function missing(rolloutId: string, field: string, problem: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_DATA', `rollout ${rolloutId}: ${field}: ${problem}`, {
    argument: field,
  });
}

export interface ContextCut {
  examples: Example[];
  /** Examples whose response lost its end. */
  cut: number;
  tokensBefore: number;
  tokensAfter: number;
}

/** Cuts what a small policy cannot hold: prompts to their last tokens, responses to their first. */
export function fitToContext(
  examples: readonly Example[],
  maxPrompt: number,
  maxContext: number,
): ContextCut {
  const out: ContextCut = { examples: [], cut: 0, tokensBefore: 0, tokensAfter: 0 };
  for (const example of examples) {
    const prompt = Array.from(example.promptIds).slice(-maxPrompt);
    const room = maxContext - prompt.length;
    const keep = Math.min(room, example.responseIds.length);
    out.tokensBefore += example.responseIds.length;
    out.tokensAfter += keep;
    if (keep < example.responseIds.length) out.cut += 1;
    out.examples.push({
      ...example,
      promptIds: prompt,
      responseIds: Array.from(example.responseIds).slice(0, keep),
      tokenWeights: Array.from(example.tokenWeights).slice(0, keep),
      behaviourLogprobs: head(example.behaviourLogprobs, keep),
      refLogprobs: head(example.refLogprobs, keep),
    });
  }
  return out;
}

function head(values: ArrayLike<number> | null, count: number): number[] | null {
  return values === null ? null : Array.from(values).slice(0, count);
}

/** Prompt and response, all that the policy reads. */
export type Tokens = Pick<Example, 'promptIds' | 'responseIds'>;

export function packExamples(examples: readonly Tokens[]): PackedTokens {
  return packTokens(
    examples.map(({ promptIds, responseIds }) => {
      const ids = new Int32Array(promptIds.length + responseIds.length);
      ids.set(Array.from(promptIds));
      ids.set(Array.from(responseIds), promptIds.length);
      return ids;
    }),
  );
}

/** Log-probs of the response tokens under `policy`, one array per example, computed in batches of `batchTokens`. */
export async function responseLogprobs(
  policy: Policy,
  examples: readonly Tokens[],
  options: { batchTokens?: number; signal?: AbortSignal } = {},
): Promise<Float32Array[]> {
  const out: Float32Array[] = [];
  for (const batch of batches(examples, options.batchTokens ?? BATCH_TOKENS, tokensOf)) {
    const packed = packExamples(batch);
    const logp = await policy.forward(packed, options.signal ? { signal: options.signal } : {});
    batch.forEach((example, i) => {
      const end = packed.cuSeqlens[i + 1]!;
      out.push(logp.data.slice(end - example.responseIds.length, end));
    });
  }
  return out;
}

/** Fills in missing reference log-probs with those of `policy` as it is now. */
export async function addReferenceLogprobs(
  policy: Policy,
  examples: readonly Example[],
  options: { signal?: AbortSignal } = {},
): Promise<Example[]> {
  const missingRefs = examples.filter((example) => example.refLogprobs === null);
  const computed = await responseLogprobs(policy, missingRefs, options);
  const byId = new Map(missingRefs.map((example, i) => [example.rolloutId, computed[i]!]));
  return examples.map((example) => ({
    ...example,
    refLogprobs: example.refLogprobs ?? byId.get(example.rolloutId)!,
  }));
}

/** Tokens that go through a policy at once where the caller leaves it open. */
export const BATCH_TOKENS = 16_384;

export function tokensOf({ promptIds, responseIds }: Tokens): number {
  return promptIds.length + responseIds.length;
}

/** Runs of items of at most `limit` tokens, or a single longer one. */
export function* batches<T>(items: readonly T[], limit: number, tokens: (item: T) => number): Generator<T[]> {
  let batch: T[] = [];
  let total = 0;
  for (const item of items) {
    const count = tokens(item);
    if (batch.length > 0 && total + count > limit) {
      yield batch;
      batch = [];
      total = 0;
    }
    batch.push(item);
    total += count;
  }
  if (batch.length > 0) yield batch;
}

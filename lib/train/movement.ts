import type { Policy } from '../policy/policy.ts';
import { type Example, responseLogprobs } from './examples.ts';

/** Tokens by what the objective does to them. */
export type TokenClass = 'positive' | 'relieved' | 'penalised';

export interface Movement {
  tokens: number;
  /** Mean log-prob per token under the reference, and now. */
  before: number;
  after: number;
}

/** How the mean log-prob of each class of token has moved from the reference to `policy`. */
export async function measureMovement(
  policy: Policy,
  examples: readonly Example[],
): Promise<Record<TokenClass, Movement>> {
  const out: Record<TokenClass, Movement> = { positive: zero(), relieved: zero(), penalised: zero() };
  const now = await responseLogprobs(policy, examples);
  examples.forEach((example, i) => {
    const reference = example.refLogprobs;
    if (reference === null || example.advantage === 0) return;
    for (let t = 0; t < example.responseIds.length; t++) {
      const kind =
        example.advantage > 0 ? 'positive' : example.tokenWeights[t] === 1 ? 'penalised' : 'relieved';
      out[kind].tokens += 1;
      out[kind].before += reference[t]!;
      out[kind].after += now[i]![t]!;
    }
  });
  for (const movement of Object.values(out)) {
    if (movement.tokens === 0) continue;
    movement.before /= movement.tokens;
    movement.after /= movement.tokens;
  }
  return out;
}

function zero(): Movement {
  return { tokens: 0, before: 0, after: 0 };
}

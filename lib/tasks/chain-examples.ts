import { seededRandom } from '../random.ts';
import type { Example } from '../train/examples.ts';
import {
  CHAIN_TEXT,
  type ChainTextOptions,
  chainPrompt,
  chainResponse,
  chainTokenizer,
  EOS_ID,
  rareFacts,
  trainingChain,
} from './chain-task.ts';

/** Worked-out chains as plain maximum-likelihood examples: advantage 1, weights 1, no anchor. */
export function chainExamples(
  count: number,
  seed: number,
  options: ChainTextOptions = CHAIN_TEXT,
): Example[] {
  const random = seededRandom(seed);
  const rare = rareFacts(seed, options.rareShare);
  return Array.from({ length: count }, (_, i) => {
    const chain = trainingChain(random, rare, options);
    const responseIds = [...chainTokenizer.encode(chainResponse(chain, random, options.slipChance)), EOS_ID];
    return {
      rolloutId: `chain-text-${i}`,
      promptIds: chainTokenizer.encode(chainPrompt(chain)),
      responseIds,
      advantage: 1,
      tokenWeights: new Float32Array(responseIds.length).fill(1),
      behaviourLogprobs: null,
      refLogprobs: null,
    };
  });
}

import { LapidaryError } from '../errors.ts';
import { advantagesOf, groupQualities } from './advantage-rule.ts';
import type { Example } from './examples.ts';
import type { ObjectiveSpec } from './objective-spec.ts';

/**
 * Examples as an objective wants them: advantages by its rule, NFT's shares of right answers, and without the
 * responses that it leaves out. Statistics are taken over whole groups, so give all of a group's responses.
 * @throws LapidaryError ERR_LAPIDARY_DATA where a response lacks what the rule reads; ERR_LAPIDARY_CONFIG for token
 * weights that the objective would not read
 */
export function examplesFor(spec: ObjectiveSpec, examples: readonly Example[]): Example[] {
  if (!spec.tokenWeights) checkWeights(spec, examples);
  const advantages = advantagesOf(examples, spec.advantage);
  const qualities = spec.quality ? groupQualities(examples) : undefined;
  const out = examples.map((example, i) => ({
    ...example,
    advantage: advantages[i]!,
    ...(qualities === undefined ? {} : { quality: qualities[i]! }),
  }));
  return spec.leaveOutZero ? out.filter((example) => example.advantage !== 0) : out;
}

/** Silence would pass off plain preference training as step-aware. */
function checkWeights(spec: ObjectiveSpec, examples: readonly Example[]): void {
  const weighted = examples.find(({ tokenWeights }) => Array.from(tokenWeights).some((w) => w !== 1));
  if (weighted === undefined) return;
  throw new LapidaryError(
    'ERR_LAPIDARY_CONFIG',
    `objective ${spec.name}: rollout ${weighted.rolloutId} has token weights other than 1, ` +
      'which this objective does not read; set beta = 1',
    { argument: 'beta' },
  );
}

import { savePolicy } from '../policy/checkpoint.ts';
import type { Policy } from '../policy/policy.ts';
import { readExampleShards } from './example-shards.ts';
import { addReferenceLogprobs, type Example } from './examples.ts';
import { examplesFor } from './examples-for.ts';
import { addMismatched } from './kto-reference.ts';
import type { ObjectiveSpec } from './objective-spec.ts';
import { removeStaleTemporaries } from './stale-temporaries.ts';
import { train } from './train.ts';
import type { TrainedCheckpoint, Trainer, TrainingJob } from './trainer.ts';

/**
 * The trainer of the built-in policy, for every preset of `objectives`. `policy` holds the weights that training
 * starts from, also where a stored state is gone on with: missing reference log-probs are its. It is trained in place.
 */
export function builtInTrainer({ policy }: { policy: Policy }): Trainer {
  return {
    id: 'built-in',
    async train({ data, objective, checkpoint, ...options }: TrainingJob): Promise<TrainedCheckpoint> {
      const given = 'examples' in data ? data.examples : await readExampleShards(data.shards);
      const examples = await withReferences(policy, objective, examplesFor(objective, given), options);
      const result = await train({ policy, objective, examples, ...options });
      await removeStaleTemporaries(checkpoint);
      await savePolicy(policy, checkpoint);
      return { checkpoint, result, examples: examples.length };
    },
  };
}

async function withReferences(
  policy: Policy,
  spec: ObjectiveSpec,
  examples: Example[],
  { seed, signal }: Pick<TrainingJob, 'seed' | 'signal'>,
): Promise<Example[]> {
  const abort = signal ? { signal } : {};
  const needed = spec.anchors.includes('ref') || (spec.old === 'ref' && spec.anchors.includes('old'));
  const anchored = needed ? await addReferenceLogprobs(policy, examples, abort) : examples;
  return spec.estimateZ0 ? addMismatched(policy, anchored, { seed, ...abort }) : anchored;
}

import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { TrainRow } from '../../data/records.ts';
import { LapidaryError } from '../../errors.ts';
import { trainingView } from '../../label/training-view.ts';
import { loadPolicy, savePolicy } from '../../policy/checkpoint.ts';
import type { Policy } from '../../policy/policy.ts';
import { addReferenceLogprobs, type Example, examplesOf, fitToContext } from '../../train/examples.ts';
import { examplesFor } from '../../train/examples-for.ts';
import { addMismatched } from '../../train/kto-reference.ts';
import { type Movement, measureMovement, type TokenClass } from '../../train/movement.ts';
import { train } from '../../train/train.ts';
import type { Method } from '../config.ts';
import { objectiveOf, optionsOf } from '../objective-of.ts';
import { seedOf } from '../seeds.ts';
import type { Counts, Handle } from '../stage.ts';
import { instructionSet, need, type Place, type StageContext } from './context.ts';
import { copyPolicy } from './policy.ts';
import type { Verified } from './verify.ts';

const WEIGHTS = 'policy.safetensors';
const METRICS = 'metrics.jsonl';
/** Weights, moments and place in the data; not a result, and gone once the training is done. */
const STATE = 'training-state.safetensors';

/** Trains a copy of `start` by one method. Killed at any moment it goes on from its last saved state, bit for bit. */
export function trainStage(
  context: StageContext,
  method: Method,
  place: Place & { title: string },
  inputs: { rows: Handle<TrainRow[]>; verified: Handle<Verified>; start: Handle<Policy> },
): Promise<Handle<Policy>> {
  const { config, runner } = context;
  const settings = need(config, 'train');
  // How its rows were labelled is in their hash; where it is reported and how often it iterates changes nothing here.
  const objective = { name: method.objective, ...optionsOf(method) };
  const { checkpoint_every: _every, ...optimiser } = settings;
  const { max_prompt, max_context } = need(config, 'policy');
  return runner.stage<Policy>({
    kind: 'train',
    title: place.title,
    version: 2,
    settings: {
      ...{ objective, optimiser, max_prompt, max_context, isa: instructionSet() },
      ...{ run: config.seed, seed: place.seed, iteration: place.iteration },
    },
    inputs: [inputs.rows, inputs.verified, inputs.start],
    async compute(directory) {
      const start = await inputs.start.value();
      const { examples, fit } = await methodExamples(context, inputs, start);
      const policy = copyPolicy(start, config.threads);
      const counts = { ...(await trainPolicy(context, method, place, { policy, examples, directory })), fit };
      await savePolicy(policy, path.join(directory, WEIGHTS));
      await rm(path.join(directory, STATE), { force: true });
      return { files: [WEIGHTS, METRICS], counts };
    },
    load: async (directory) => loadPolicy(path.join(directory, WEIGHTS), { threads: config.threads }),
  });
}

/** The examples of a method, cut to the policy, with the reference its constraint is anchored on. */
async function methodExamples(
  { config, signal }: StageContext,
  inputs: { rows: Handle<TrainRow[]>; verified: Handle<Verified> },
  start: Policy,
): Promise<{ examples: Example[]; fit: Counts }> {
  const { rollouts } = await inputs.verified.value();
  const view = trainingView(await inputs.rows.value());
  if (view.length === 0) {
    const problem = 'no group is mixed (right and wrong): there is nothing to train on';
    throw new LapidaryError('ERR_LAPIDARY_DATA', problem);
  }
  const byId = new Map(rollouts.map((rollout) => [rollout.rollout_id, rollout]));
  const { max_prompt, max_context } = need(config, 'policy');
  const { examples, cut, tokensBefore, tokensAfter } = fitToContext(
    examplesOf(view, byId),
    max_prompt,
    max_context,
  );
  const fit = { responses: examples.length, cut, tokens: tokensBefore, tokens_kept: tokensAfter };
  // The run's own sampler is the reference, and recorded its log-probs to the bit.
  if (config.data.source === 'chains') {
    return {
      examples: examples.map((example) => ({ ...example, refLogprobs: example.behaviourLogprobs })),
      fit,
    };
  }
  return { examples: await addReferenceLogprobs(start, examples, signal ? { signal } : {}), fit };
}

interface Training {
  policy: Policy;
  examples: readonly Example[];
  directory: string;
}

async function trainPolicy(
  context: StageContext,
  method: Method,
  place: Place & { title: string },
  { policy, examples, directory }: Training,
): Promise<Counts> {
  const { config, progress, signal } = context;
  const settings = need(config, 'train');
  const spec = objectiveOf(method);
  const seed = seedOf(config.seed, 'training', place.seed, place.iteration);
  const chosen = examplesFor(spec, examples);
  const used = spec.estimateZ0 ? await addMismatched(policy, chosen, { seed }) : chosen;
  const result = await train({
    ...{ policy, examples: used, objective: spec, updates: settings.updates, lr: settings.lr, seed },
    responsesPerUpdate: settings.responses_per_update,
    ...{ schedule: settings.schedule, warmupUpdates: settings.warmup_updates },
    ...{ weightDecay: settings.weight_decay, maxGradNorm: settings.max_grad_norm },
    state: { path: path.join(directory, STATE), every: settings.checkpoint_every },
    metrics: path.join(directory, METRICS),
    onUpdate: ({ update, loss, gradNorm }) =>
      progress.advance(
        place.title,
        update,
        settings.updates,
        `loss ${loss.toFixed(4)}, |g| ${gradNorm.toFixed(2)}`,
      ),
    ...(signal ? { signal } : {}),
  });
  return {
    ...{ updates: result.updates, responses: result.responses, tokens: result.tokens, examples: used.length },
    movement: movementCounts(await measureMovement(policy, examples)),
  };
}

function movementCounts(movement: Record<TokenClass, Movement>): Counts {
  return Object.fromEntries(
    Object.entries(movement).map(([kind, { tokens, before, after }]) => [kind, { tokens, before, after }]),
  );
}

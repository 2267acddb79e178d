import type { Example } from './examples.ts';
import type { ObjectiveSpec } from './objective-spec.ts';
import type { TrainOptions, TrainResult } from './train.ts';

/** Everything that a training needs to know but how it is done. */
export interface TrainingJob
  extends Pick<
    TrainOptions,
    | 'updates'
    | 'responsesPerUpdate'
    | 'lr'
    | 'schedule'
    | 'warmupUpdates'
    | 'weightDecay'
    | 'maxGradNorm'
    | 'seed'
    | 'state'
    | 'metrics'
    | 'onUpdate'
    | 'signal'
  > {
  /** With rewards, verdicts and groups where the objective's rule reads them; or files of `writeExampleShard`. */
  data: { examples: readonly Example[] } | { shards: readonly string[] };
  objective: ObjectiveSpec;
  /** Where the weights go: a safetensors file, written whole once all updates were done. */
  checkpoint: string;
}

export interface TrainedCheckpoint {
  checkpoint: string;
  /** Counted work; it is that of the job, or the training rejects. */
  result: TrainResult;
  /** Examples that took part, after the objective left out what it does not use. */
  examples: number;
}

/** Takes examples and an objective and gives a checkpoint. */
export interface Trainer {
  readonly id: string;
  train(job: TrainingJob): Promise<TrainedCheckpoint>;
}

import { LapidaryError } from '../errors.ts';
import { DataCursor } from './data-cursor.ts';
import { MetricsFile } from './metrics-file.ts';
import { removeStaleTemporaries } from './stale-temporaries.ts';
import { checkIdentity, type TrainingIdentity, trainingIdentity } from './training-identity.ts';
import { type TrainingPlan, type TrainOptions, trainingPlan } from './training-plan.ts';
import { readTrainingState, type StoredTraining, writeTrainingState } from './training-state.ts';
import { runUpdate, type UpdateMetrics } from './update.ts';

export type { TrainOptions } from './training-plan.ts';
export { learningRate, type UpdateMetrics } from './update.ts';

/** Counted work, of all processes that the training ran in. */
export interface TrainResult {
  updates: number;
  responses: number;
  /** Through the policy, prompts included. */
  tokens: number;
  /** Of this process's updates. */
  seconds: number;
  last: UpdateMetrics | null;
  /** The update that a stored state was of; 0: the training began here. */
  resumedFrom: number;
}

/**
 * Offline policy optimisation: shuffle, pack, forward, policy loss, backward, step. The loss is the kernels' alone.
 * Resolves only when all updates were done and their responses counted; a state file makes it go on after any end.
 * @throws LapidaryError ERR_LAPIDARY_DATA without examples or where one lacks what the objective reads;
 * ERR_LAPIDARY_STATE where the gradient is not finite, or the state file is damaged or of another training
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const plan = trainingPlan(options);
  const session = await openSession(plan, options);
  const { result, cursor, metrics } = session;
  const { updates, responsesPerUpdate } = plan.settings;
  const unitsPerUpdate = responsesPerUpdate / (plan.spec.pairs ? 2 : 1);
  try {
    while (result.updates < updates) {
      const units = Array.from({ length: unitsPerUpdate }, () => plan.units[cursor.next()]!);
      const row = await runUpdate(plan, units, result.updates + 1);
      addTo(result, row);
      metrics?.append(row);
      await session.save();
      options.onUpdate?.(row);
    }
    metrics?.mark();
  } finally {
    metrics?.close();
  }
  checkFinished(result, plan);
  return result;
}

interface Session {
  result: TrainResult;
  cursor: DataCursor;
  metrics: MetricsFile | null;
  /** Writes the state where one is due. */
  save(): Promise<void>;
}

/** A training at its start, or where its state file says that it was. */
async function openSession(plan: TrainingPlan, options: TrainOptions): Promise<Session> {
  const cursor = new DataCursor(plan.ids, plan.settings.seed);
  if (options.state === undefined) {
    const metrics = options.metrics === undefined ? null : new MetricsFile(options.metrics, null);
    return { result: startOf(null), cursor, metrics, save: async () => {} };
  }
  const { path, every } = checkedState(options.state);
  await removeStaleTemporaries(path);
  const identity = trainingIdentity(plan, options.metrics !== undefined);
  const stored = readTrainingState(path);
  if (stored !== null) checkStored(path, stored, identity, cursor, plan);
  const mark = stored?.contents.metrics ?? null;
  const metrics = options.metrics === undefined ? null : new MetricsFile(options.metrics, mark);
  stored?.restore(plan.policy);
  const result = startOf(stored);
  const save = async () => {
    if (result.updates % every !== 0 && result.updates !== plan.settings.updates) return;
    const { updates, responses, tokens } = result;
    await writeTrainingState(path, plan.policy, {
      ...{ identity, updates, responses, tokens, cursor: cursor.position },
      // The lines are on disk before the state that counts them.
      ...{ metrics: metrics?.mark() ?? null, adamSteps: plan.policy.stepCount, last: stripped(result.last!) },
    });
  };
  return { result, cursor, metrics, save };
}

function checkedState({ path, every }: NonNullable<TrainOptions['state']>) {
  if (Number.isSafeInteger(every) && every >= 1) return { path, every };
  throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', `state.every: expected 1 or more, got ${every}`, {
    argument: 'state.every',
  });
}

function checkStored(
  path: string,
  { contents }: StoredTraining,
  identity: TrainingIdentity,
  cursor: DataCursor,
  plan: TrainingPlan,
): void {
  checkIdentity(path, contents.identity, identity);
  const { updates, responses } = contents;
  const fault =
    updates > plan.settings.updates || responses !== updates * plan.settings.responsesPerUpdate
      ? `it counts ${updates} updates and ${responses} responses`
      : cursor.replay(contents.cursor)
        ? null
        : `its place in the data (${contents.cursor.drawn} drawn) is not where the seed leads`;
  if (fault === null) return;
  throw new LapidaryError('ERR_LAPIDARY_STATE', `${path}: ${fault}; it cannot be gone on with`, {
    argument: 'state',
  });
}

function startOf(stored: StoredTraining | null): TrainResult {
  if (stored === null) {
    return { updates: 0, responses: 0, tokens: 0, seconds: 0, last: null, resumedFrom: 0 };
  }
  const { updates, responses, tokens, last } = stored.contents;
  const numbers = Object.entries(last).map(([name, value]) => [name, Number(value)]);
  const row = { ...Object.fromEntries(numbers), seconds: 0 } as UpdateMetrics;
  return { updates, responses, tokens, seconds: 0, last: row, resumedFrom: updates };
}

function addTo(result: TrainResult, row: UpdateMetrics): void {
  result.updates = row.update;
  result.responses += row.responses;
  result.tokens += row.batchTokens;
  result.seconds += row.seconds;
  result.last = row;
}

/** JSON has no name for a number that is not finite. */
function stripped({ seconds: _, ...row }: UpdateMetrics): Record<string, number | string> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, Number.isFinite(value) ? value : String(value)]),
  );
}

/** Success is counted work, not the end of a loop: a training that did nothing has failed. */
function checkFinished({ updates, responses, tokens }: TrainResult, { settings }: TrainingPlan): void {
  const asked = settings.updates * settings.responsesPerUpdate;
  if (updates === settings.updates && responses === asked && tokens > 0) return;
  throw new LapidaryError(
    'ERR_LAPIDARY_STATE',
    `training: ${updates} of ${settings.updates} updates were done, with ${responses} of ${asked} responses ` +
      `and ${tokens} tokens`,
  );
}

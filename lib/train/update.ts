import { LapidaryError } from '../errors.ts';
import type { Objective } from '../kernels/objectives.ts';
import { DIAGNOSTICS, type Diagnostics, EXTREMA, policyLoss } from '../kernels/policy-loss.ts';
import { Tensor } from '../kernels/tensor.ts';
import { batches, type Example, packExamples, tokensOf } from './examples.ts';
import { referencePoint } from './kto-reference.ts';
import { lossColumns, updateScales } from './loss-columns.ts';
import type { TrainingPlan } from './training-plan.ts';

export interface UpdateMetrics extends Diagnostics {
  update: number;
  lr: number;
  gradNorm: number;
  /** Responses of the update, two for each pair. */
  responses: number;
  /** Tokens through the policy, prompts included. */
  batchTokens: number;
  /** KTO's reference point, where it is estimated. */
  z0?: number;
  seconds: number;
}

/** What is drawn and kept together: a response, or the chosen and the rejected one of a pair. */
export type Unit = readonly Example[];

/** One optimiser step on the loss of `units`. */
export async function runUpdate(
  plan: TrainingPlan,
  units: readonly Unit[],
  update: number,
): Promise<UpdateMetrics> {
  const started = performance.now();
  const { policy, spec, settings, signal } = plan;
  const responses = units.flat();
  const scales = updateScales(spec, responses, plan.fixedLength);
  const { objective, z0 } = await updateObjective(plan, responses);
  policy.zeroGradients();
  const total = Object.fromEntries(DIAGNOSTICS.map((name) => [name, 0])) as Diagnostics;
  let done = 0;
  let batchTokens = 0;
  for (const part of batches(units, settings.batchTokens, unitTokens)) {
    const examples = part.flat();
    const scale = scales.slice(done, done + examples.length);
    const { diagnostics, tokens } = await accumulate(plan, objective, examples, scale);
    addDiagnostics(total, diagnostics);
    done += examples.length;
    batchTokens += tokens;
  }
  checkCounts(total, responses, update);
  signal?.throwIfAborted();
  const lr = learningRate(settings, update);
  const { weightDecay, maxGradNorm } = settings;
  const gradNorm = await policy.step({ lr, weightDecay, maxGradNorm });
  const counts = { update, lr, gradNorm, responses: responses.length, batchTokens };
  const seconds = (performance.now() - started) / 1000;
  return { ...total, ...counts, ...(z0 === undefined ? {} : { z0 }), seconds };
}

export interface Schedule {
  lr: number;
  updates: number;
  /** 'constant', or 'cosine' from lr down to a tenth of it. */
  schedule?: 'constant' | 'cosine';
  warmupUpdates?: number;
}

export function learningRate(options: Schedule, update: number): number {
  const { lr, updates, schedule = 'constant', warmupUpdates = 0 } = options;
  const warmup = warmupUpdates > 0 ? Math.min(1, update / warmupUpdates) : 1;
  if (schedule === 'constant') return lr * warmup;
  return lr * warmup * (0.1 + 0.9 * 0.5 * (1 + Math.cos((Math.PI * (update - 1)) / Math.max(1, updates))));
}

function unitTokens(unit: Unit): number {
  return unit.reduce((sum, example) => sum + tokensOf(example), 0);
}

/** The objective of this update: KTO's holds a reference point that moves with the policy. */
async function updateObjective(
  { policy, spec, settings, signal }: TrainingPlan,
  responses: readonly Example[],
): Promise<{ objective: Objective; z0?: number }> {
  const { objective } = spec;
  if (!spec.estimateZ0 || objective.sequenceTerm?.kind !== 'kto') return { objective };
  const { batchTokens } = settings;
  const z0 = await referencePoint(policy, responses, { batchTokens, ...(signal ? { signal } : {}) });
  return { objective: { ...objective, sequenceTerm: { ...objective.sequenceTerm, z0 } }, z0 };
}

/** Forward, loss and backward of one part; its gradients are added to the policy's. */
async function accumulate(
  { policy, spec, signal }: TrainingPlan,
  objective: Objective,
  part: readonly Example[],
  scale: Float32Array,
) {
  const abort = signal ? { signal } : {};
  const packed = packExamples(part);
  const logp = await policy.forward(packed, { keep: true, ...abort });
  const columns = lossColumns(spec, part, packed);
  const { dlogp, diagnostics } = await policyLoss(
    { objective, cuSeqlens: packed.cuSeqlens, logp, ...columns, seqScale: Tensor.from('f32', scale) },
    abort,
  );
  await policy.backward(dlogp, abort);
  return { diagnostics, tokens: packed.tokens.length };
}

function addDiagnostics(total: Diagnostics, part: Diagnostics): void {
  for (const name of DIAGNOSTICS) {
    const extremum = EXTREMA.includes(name);
    total[name] = extremum ? Math.max(total[name], part[name]) : total[name] + part[name];
  }
}

/** The loss's own counts must be those of the batch: what was drawn but not seen would pass for trained. */
function checkCounts(total: Diagnostics, responses: readonly Example[], update: number): void {
  const tokens = responses.reduce((sum, example) => sum + example.responseIds.length, 0);
  if (tokens > 0 && total.tokens === tokens) return;
  const problem = tokens === 0 ? 'its responses have no token' : `the loss saw ${total.tokens} of ${tokens}`;
  throw new LapidaryError('ERR_LAPIDARY_STATE', `training: update ${update}: ${problem}`);
}

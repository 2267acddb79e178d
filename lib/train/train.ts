import { LapidaryError } from '../errors.ts';
import { sequenceScales } from '../kernels/aggregation.ts';
import { checkInteger, checkNumber } from '../kernels/check.ts';
import type { Objective } from '../kernels/objectives.ts';
import { DIAGNOSTICS, type Diagnostics, EXTREMA, policyLoss } from '../kernels/policy-loss.ts';
import { Tensor } from '../kernels/tensor.ts';
import type { PackedTokens, Policy } from '../policy/policy.ts';
import { type Random, seededRandom, shuffled } from '../random.ts';
import { batches, type Example, packExamples } from './examples.ts';

export interface TrainOptions {
  policy: Policy;
  /** With reference log-probs where the objective anchors on them. */
  examples: readonly Example[];
  objective: Objective;
  updates: number;
  responsesPerUpdate: number;
  lr: number;
  /** 'constant', or 'cosine' from lr down to a tenth of it. */
  schedule?: 'constant' | 'cosine';
  warmupUpdates?: number;
  weightDecay?: number;
  maxGradNorm?: number;
  /** Tokens that go through the policy at once; an update of more is accumulated. Results stay the same sums. */
  batchTokens?: number;
  seed: number;
  onUpdate?: (metrics: UpdateMetrics) => void;
  signal?: AbortSignal;
}

export interface UpdateMetrics extends Diagnostics {
  update: number;
  lr: number;
  gradNorm: number;
  /** Tokens through the policy, prompts included. */
  batchTokens: number;
  seconds: number;
}

export interface TrainResult {
  updates: number;
  responses: number;
  tokens: number;
  seconds: number;
  last: UpdateMetrics | null;
}

/**
 * Offline policy optimisation: shuffle, pack, forward, policy loss, backward, step. The loss is the kernels' alone;
 * the scale of each response is N_i = 1 / (B |y_i|) over the B responses of the update.
 * @throws LapidaryError ERR_LAPIDARY_DATA without examples; ERR_LAPIDARY_STATE where the gradient is not finite.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const updates = checkInteger('updates', options.updates, 1, 2 ** 31);
  checkInteger('responsesPerUpdate', options.responsesPerUpdate, 1, 2 ** 31);
  checkNumber('lr', options.lr, 0, 1e3);
  if (options.examples.length === 0) {
    throw new LapidaryError('ERR_LAPIDARY_DATA', 'examples: nothing to train on (were all groups flat?)', {
      argument: 'examples',
    });
  }
  const next = cycle(options.examples, seededRandom(options.seed));
  const result: TrainResult = { updates: 0, responses: 0, tokens: 0, seconds: 0, last: null };
  for (let update = 1; update <= updates; update++) {
    const batch = Array.from({ length: options.responsesPerUpdate }, next);
    const metrics = await runUpdate(options, batch, update);
    result.updates = update;
    result.responses += batch.length;
    result.tokens += metrics.batchTokens;
    result.seconds += metrics.seconds;
    result.last = metrics;
    options.onUpdate?.(metrics);
  }
  return result;
}

/** Endless examples: a new order for each pass, so that each is seen once before any is seen again. */
function cycle<T>(items: readonly T[], random: Random): () => T {
  let order: T[] = [];
  let position = 0;
  return () => {
    if (position === order.length) {
      order = shuffled(items, random);
      position = 0;
    }
    return order[position++]!;
  };
}

export function learningRate(
  options: Pick<TrainOptions, 'lr' | 'updates' | 'schedule' | 'warmupUpdates'>,
  update: number,
) {
  const { lr, updates, schedule = 'constant', warmupUpdates = 0 } = options;
  const warmup = warmupUpdates > 0 ? Math.min(1, update / warmupUpdates) : 1;
  if (schedule === 'constant') return lr * warmup;
  return lr * warmup * (0.1 + 0.9 * 0.5 * (1 + Math.cos((Math.PI * (update - 1)) / Math.max(1, updates))));
}

async function runUpdate(options: TrainOptions, batch: Example[], update: number): Promise<UpdateMetrics> {
  const started = performance.now();
  const { policy, signal } = options;
  // The denominators belong to the whole update, whatever it is cut into.
  const scales = sequenceScales(
    'seq-mean-token-mean',
    batch.map((example) => example.responseIds.length),
  );
  policy.zeroGradients();
  const total = Object.fromEntries(DIAGNOSTICS.map((name) => [name, 0])) as Diagnostics;
  let done = 0;
  let batchTokens = 0;
  for (const part of batches(batch, options.batchTokens ?? 16_384)) {
    const scale = Tensor.from('f32', scales.data.slice(done, done + part.length));
    const { diagnostics, tokens } = await accumulate(options, part, scale);
    addDiagnostics(total, diagnostics);
    done += part.length;
    batchTokens += tokens;
  }
  signal?.throwIfAborted();
  const lr = learningRate(options, update);
  const gradNorm = await policy.step({
    lr,
    weightDecay: options.weightDecay ?? 0,
    maxGradNorm: options.maxGradNorm ?? 1,
  });
  return { ...total, update, lr, gradNorm, batchTokens, seconds: (performance.now() - started) / 1000 };
}

/** Forward, loss and backward of one part; its gradients are added to the policy's. */
async function accumulate(options: TrainOptions, part: Example[], seqScale: Tensor<'f32'>) {
  const { policy, objective, signal } = options;
  const abort = signal ? { signal } : {};
  const packed = packExamples(part);
  const count = packed.tokens.length;
  const logp = await policy.forward(packed, { keep: true, ...abort });
  const advantages = Tensor.from(
    'f32',
    Float32Array.from(part, (example) => example.advantage),
  );
  const stored = storedColumns(part, packed);
  const { dlogp, diagnostics } = await policyLoss(
    { objective, cuSeqlens: packed.cuSeqlens, logp, advantages, seqScale, ...stored },
    abort,
  );
  await policy.backward(dlogp, abort);
  return { diagnostics, tokens: count };
}

/** The per-token columns of a part, aligned with its packed tokens; prompt tokens are masked out. */
function storedColumns(part: Example[], packed: PackedTokens) {
  const count = packed.tokens.length;
  const mask = new Uint8Array(count);
  // NaN where a log-prob is missing: an unused entry stays unread, a used one shows at once.
  const column = (fill: number) => Tensor.from('f32', new Float32Array(count).fill(fill));
  const tokenWeights = column(1);
  const behaviourLogp = column(Number.NaN);
  const refLogp = column(Number.NaN);
  part.forEach((example, i) => {
    const end = packed.cuSeqlens[i + 1]!;
    const start = end - example.responseIds.length;
    mask.fill(1, start, end);
    tokenWeights.data.set(example.tokenWeights, start);
    if (example.behaviourLogprobs !== null) behaviourLogp.data.set(example.behaviourLogprobs, start);
    if (example.refLogprobs !== null) refLogp.data.set(example.refLogprobs, start);
  });
  // Offline the data's policy is the old policy.
  return { mask, tokenWeights, behaviourLogp, refLogp, oldLogp: behaviourLogp };
}

function addDiagnostics(total: Diagnostics, part: Diagnostics): void {
  for (const name of DIAGNOSTICS) {
    const extremum = EXTREMA.includes(name);
    total[name] = extremum ? Math.max(total[name], part[name]) : total[name] + part[name];
  }
}

import { DIAGNOSTICS, type Diagnostics, EXTREMA, namedDiagnostics } from './diagnostics.ts';
import { chunkBackward, chunkForward } from './linear-chunks.ts';
import {
  type LinearLogprobsInput,
  linearLogprobs,
  linearLogprobsBackward,
  linearLogprobsBackwardSync,
  linearLogprobsSync,
} from './linear-logprobs.ts';
import { checkInput, lossInput, NOTHING, type Prepared, prepare } from './linear-policy-chunks.ts';
import type { LogprobOptions } from './logprobs.ts';
import { addon, callAsync, callSync, guarded, type NativeArguments, type NativeMemory } from './native.ts';
import { enqueuePolicyLoss, type PolicyLossInput, policyLoss, policyLossSync } from './policy-loss.ts';
import type { Tensor } from './tensor.ts';

/**
 * The head's input and the policy-loss batch of the same T = N tokens. A token with mask 0 or an ignored target is
 * left out of both: its hidden row and its columns may hold NaN.
 */
export interface LinearPolicyLossInput
  extends LinearLogprobsInput,
    Omit<PolicyLossInput, 'logp' | 'dlogp' | 'padded' | 'pairs' | 'cuSeqlens'> {
  /** [B + 1] offsets from 0 to T. */
  cuSeqlens: Int32Array | Float64Array;
}

export interface LinearPolicyLossResult {
  /** Of all chunks: sums and counts added, extrema taken. */
  diagnostics: Diagnostics;
  /** [T]; 0 on tokens left out. */
  logp: Tensor<'f32'>;
  /** [T], dL/dlogp; 0 on tokens left out. */
  dlogp: Tensor<'f32'>;
  /** [T, H]. */
  dhidden: Tensor<'f32'>;
  /** [V, H]; null with a frozen head. */
  dweight: Tensor<'f32'> | null;
}

export interface LinearPolicyLossOptions extends LogprobOptions {
  /**
   * Whole sequences of at most this many rows go through together; a longer sequence goes alone. Default: as many as
   * `kept` has room for.
   */
  chunkRows?: number;
  /**
   * Memory from `keptLogits`; default new memory of at most 256 MiB, 1 GiB on a device. A chunk that does not fit has its logits computed
   * a second time: four matrix products instead of three.
   */
  kept?: Tensor<'f32'>;
  /** No gradient for the weight, and none of its work. */
  frozenHead?: boolean;
  /** Add to `out.dweight` instead of overwriting it. */
  accumulate?: boolean;
  out?: Partial<Omit<LinearPolicyLossResult, 'diagnostics'>>;
}

function merge(total: Diagnostics, diagnostics: Diagnostics): void {
  for (const name of DIAGNOSTICS) {
    total[name] = EXTREMA.includes(name)
      ? Math.max(total[name], diagnostics[name])
      : total[name] + diagnostics[name];
  }
}

/**
 * The policy loss of a head: log-probs, loss and gradients to hidden and weight by chunks of whole sequences, so
 * that sequence sums are complete before any gradient is scaled. [T, V] is never held. Log-probs, `dlogp` and
 * `dhidden` have the same bits for every `chunkRows`; `dweight` is summed in the order of the chunks.
 * @throws LapidaryError ERR_LAPIDARY_ARGUMENT. Outputs of a failed or aborted call are unspecified.
 */
export async function linearPolicyLoss(
  given: LinearPolicyLossInput,
  options: LinearPolicyLossOptions & { signal?: AbortSignal } = {},
): Promise<LinearPolicyLossResult> {
  checkInput(given, options);
  if (given.hidden.device !== 'cpu') return onDevice(given, options);
  const prepared = prepareOnCpu(given, options);
  const abort = options.signal === undefined ? {} : { signal: options.signal };
  const { passes, chunks, results } = prepared;
  for (const chunk of chunks) {
    const [input, forward] = chunkForward(passes, chunk);
    await linearLogprobs(input, { ...forward, ...abort });
    merge(results.diagnostics, (await policyLoss(lossInput(prepared, chunk), abort)).diagnostics);
    const [columns, backward] = chunkBackward(passes, chunk, chunk === chunks[0]);
    await linearLogprobsBackward(columns, { ...backward, ...abort });
  }
  return results;
}

/** {@link linearPolicyLoss} on the calling thread; waits for the targets and the diagnostics of a device. */
export function linearPolicyLossSync(
  given: LinearPolicyLossInput,
  options: LinearPolicyLossOptions = {},
): LinearPolicyLossResult {
  checkInput(given, options);
  if (given.hidden.device !== 'cpu') return onDeviceSync(given, options);
  const prepared = prepareOnCpu(given, options);
  const { passes, chunks, results } = prepared;
  for (const chunk of chunks) {
    linearLogprobsSync(...chunkForward(passes, chunk));
    merge(results.diagnostics, policyLossSync(lossInput(prepared, chunk)).diagnostics);
    linearLogprobsBackwardSync(...chunkBackward(passes, chunk, chunk === chunks[0]));
  }
  return results;
}

function prepareOnCpu(given: LinearPolicyLossInput, options: LinearPolicyLossOptions): Prepared {
  const prepared = prepare(given, given.targets, options);
  policyLossSync(lossInput(prepared, NOTHING));
  linearLogprobsSync(...chunkForward(prepared.passes, NOTHING));
  return prepared;
}

const DIAGNOSTIC_BYTES = 8 * DIAGNOSTICS.length;

/** Puts all chunks on the stream. Nothing waits between them: their diagnostics lie side by side on the device. */
function enqueue(prepared: Prepared): NativeMemory {
  const { passes, chunks } = prepared;
  const stream = passes.place.stream!;
  const { CudaMemory } = addon();
  const bytes = DIAGNOSTIC_BYTES * (chunks.length + 1);
  const memory = guarded(() => new CudaMemory({ stream: stream.native, bytes, kind: 'pool' }));
  const place = (i: number) => memory.view(i * DIAGNOSTIC_BYTES, DIAGNOSTIC_BYTES);
  try {
    enqueuePolicyLoss(lossInput(prepared, NOTHING), { stream }, place(chunks.length));
    chunks.forEach((chunk, i) => {
      linearLogprobsSync(...chunkForward(passes, chunk));
      enqueuePolicyLoss(lossInput(prepared, chunk), { stream }, place(i));
      linearLogprobsBackwardSync(...chunkBackward(passes, chunk, chunk === chunks[0]));
    });
    return memory;
  } catch (error) {
    memory.dispose();
    passes.place.fail();
    throw error;
  }
}

function download(prepared: Prepared, device: NativeMemory): NativeArguments & { host: Float64Array } {
  const bytes = DIAGNOSTIC_BYTES * prepared.chunks.length;
  const host = new Float64Array(new SharedArrayBuffer(bytes));
  return { ...prepared.passes.place.native, device, host, bytes };
}

function finish({ results, passes }: Prepared, memory: NativeMemory, numbers: Float64Array) {
  memory.dispose();
  passes.place.end();
  for (let i = 0; i < numbers.length; i += DIAGNOSTICS.length) {
    merge(results.diagnostics, namedDiagnostics(numbers.subarray(i, i + DIAGNOSTICS.length)));
  }
  return results;
}

function onDeviceSync(
  given: LinearPolicyLossInput,
  options: LinearPolicyLossOptions,
): LinearPolicyLossResult {
  const prepared = prepare(given, given.targets.toSync('cpu', options), options);
  const memory = enqueue(prepared);
  const args = download(prepared, memory);
  callSync(addon().cudaDownload, args);
  return finish(prepared, memory, args.host);
}

async function onDevice(
  given: LinearPolicyLossInput,
  { signal, ...options }: LinearPolicyLossOptions & { signal?: AbortSignal },
): Promise<LinearPolicyLossResult> {
  const targets = await given.targets.to('cpu', { ...options, ...(signal && { signal }) });
  const prepared = prepare(given, targets, options);
  const memory = enqueue(prepared);
  const args = download(prepared, memory);
  await callAsync(addon().cudaDownload, args, undefined);
  return finish(prepared, memory, args.host);
}

import { checkInteger, checkKeys, checkNumber, checkTensor, fail } from '../kernels/check.ts';
import { kernelDefaults } from '../kernels/environment.ts';
import { addon, callAsync, callSync, type NativeArguments, type NativePolicy } from '../kernels/native.ts';
import { describe, Tensor } from '../kernels/tensor.ts';

/** Sizes of the built-in decoder-only transformer (RMSNorm, rotary embeddings, SwiGLU). */
export interface PolicyConfig {
  vocab: number;
  width: number;
  layers: number;
  heads: number;
  mlpWidth: number;
  /** Longest sequence, prompt and response together. */
  maxContext: number;
  ropeTheta?: number;
  normEpsilon?: number;
  /** The head shares the embedding's matrix; there is no `lm_head.weight` then. */
  tiedHead?: boolean;
}

export interface PolicyOptions {
  /** Seed of the initial weights. */
  seed?: number;
  /** 0: one per core. Results do not depend on it. */
  threads?: number;
  /** "": the best instruction set. */
  implementation?: string;
}

/** Sequences one after the other. */
export interface PackedTokens {
  /** [N]. */
  tokens: Int32Array;
  /** [B + 1] offsets from 0 to N. */
  cuSeqlens: Int32Array;
}

export interface AdamwOptions {
  lr: number;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  /** Decoupled, on matrices only. */
  weightDecay?: number;
  /** Gradients are scaled down to this norm; 0: never. */
  maxGradNorm?: number;
}

export interface SampleOptions {
  samplesPerPrompt: number;
  maxNewTokens: number;
  /** 0 is greedy. */
  temperature?: number;
  eosId: number;
  seed: number;
  /**
   * [B], whole numbers of 0 or more. Where given, the samples of a prompt depend on its own seed and not on `seed` or
   * on the prompt's place among the others.
   */
  promptSeeds?: Float64Array;
  signal?: AbortSignal;
}

export interface Sample {
  /** Index of the prompt in the packed prompts. */
  prompt: number;
  /** Response ids; the last is eosId unless the length ran out. */
  ids: Int32Array;
  /** log pi of each id at temperature 1 over the full vocabulary, bitwise what `forward` gives. */
  logprobs: Float32Array;
}

export interface ParameterInfo {
  /** The Hugging Face Llama name. */
  name: string;
  shape: number[];
}

export type ParameterKind = 'parameters' | 'gradients' | 'mean' | 'variance';

/** The built-in policy: weights, gradients and optimiser state live in native memory. */
export class Policy {
  readonly config: Required<PolicyConfig>;
  #native: NativePolicy | null;

  constructor(config: PolicyConfig, options: PolicyOptions = {}) {
    checkKeys('config', config, [
      ...[
        'vocab',
        'width',
        'layers',
        'heads',
        'mlpWidth',
        'maxContext',
        'ropeTheta',
        'normEpsilon',
        'tiedHead',
      ],
    ]);
    checkKeys('options', options, ['seed', 'threads', 'implementation']);
    const defaults = kernelDefaults();
    this.config = { ropeTheta: 10_000, normEpsilon: 1e-5, tiedHead: false, ...config };
    const args = {
      ...this.config,
      seed: checkInteger('seed', options.seed ?? 0, 0, Number.MAX_SAFE_INTEGER),
      threads: checkInteger('threads', options.threads ?? 0, 0, 4096) || defaults.threads,
      implementation: options.implementation || defaults.implementation,
    };
    this.#native = callSync((given) => new (addon().Policy)(given), args) as NativePolicy;
  }

  get #handle(): NativePolicy {
    return this.#native ?? fail('policy', 'a live policy', 'one that was disposed');
  }

  /**
   * logp[i] = log pi(token i | the tokens before it in its sequence), [N]; 0 for each first token. `keep` holds the
   * activations for `backward`.
   */
  async forward(
    packed: PackedTokens,
    options: { keep?: boolean; out?: Tensor<'f32'>; signal?: AbortSignal } = {},
  ): Promise<Tensor<'f32'>> {
    const out = options.out ?? Tensor.alloc('f32', [packed.tokens.length]);
    checkTensor('out', out, ['f32'], [packed.tokens.length]);
    const args = { ...packedArguments(packed), logp: out.data, keep: options.keep ?? false };
    await callAsync(this.#bound('forward'), args, options.signal);
    return out;
  }

  /** Adds the gradients of sum_i dlogp[i] logp[i] of the last kept forward. */
  async backward(dlogp: Tensor<'f32'>, options: { signal?: AbortSignal } = {}): Promise<void> {
    checkTensor('dlogp', dlogp, ['f32'], [null]);
    await callAsync(this.#bound('backward'), { dlogp: dlogp.data, count: dlogp.size }, options.signal);
  }

  zeroGradients(): void {
    callSync(this.#bound('zeroGradients'), {});
  }

  /** One AdamW step (arXiv 1711.05101) from the gradients; gives their norm before clipping. */
  async step(options: AdamwOptions): Promise<number> {
    checkKeys('options', options, ['lr', 'beta1', 'beta2', 'epsilon', 'weightDecay', 'maxGradNorm']);
    const { lr, beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weightDecay = 0, maxGradNorm = 1 } = options;
    checkNumber('lr', lr, 0, 1e6);
    const args = { lr, beta1, beta2, epsilon, weightDecay, maxGradNorm };
    return (await callAsync(this.#bound('step'), args, undefined)) as number;
  }

  /** AdamW steps so far, which the correction of its moments' bias depends on; set it where the moments are. */
  get stepCount(): number {
    return callSync(this.#bound('stepCount'), {}) as number;
  }

  set stepCount(count: number) {
    checkInteger('stepCount', count, 0, Number.MAX_SAFE_INTEGER);
    callSync(this.#bound('setStepCount'), { count });
  }

  /** Samples responses; the same seed gives the same ones whatever the thread count. */
  async sample(prompts: PackedTokens, options: SampleOptions): Promise<Sample[]> {
    const { samplesPerPrompt, maxNewTokens, temperature = 1, eosId, seed, promptSeeds, signal } = options;
    checkInteger('samplesPerPrompt', samplesPerPrompt, 1, 2 ** 31);
    checkInteger('maxNewTokens', maxNewTokens, 1, this.config.maxContext);
    checkNumber('temperature', temperature, 0, 1e6);
    checkInteger('seed', seed, 0, Number.MAX_SAFE_INTEGER);
    const count = (prompts.cuSeqlens.length - 1) * samplesPerPrompt;
    const ids = Tensor.alloc('i32', [count, maxNewTokens]);
    const logprobs = Tensor.alloc('f32', [count, maxNewTokens]);
    const lengths = Tensor.alloc('i32', [count]);
    const args = {
      ...packedArguments(prompts),
      ...{ samplesPerPrompt, maxNewTokens, temperature, eosId, seed },
      ...(promptSeeds === undefined ? {} : { promptSeeds: checkSeeds(promptSeeds, prompts) }),
      ...{ ids: ids.data, logprobs: logprobs.data, lengths: lengths.data },
    };
    await callAsync(this.#bound('sample'), args, signal);
    // The native side packs the samples one after the other.
    let end = 0;
    return Array.from(lengths.data, (length, i) => {
      const start = end;
      end += length;
      return {
        prompt: Math.floor(i / samplesPerPrompt),
        ids: ids.data.slice(start, end),
        logprobs: logprobs.data.slice(start, end),
      };
    });
  }

  /** Names and shapes of the parameters, in the order of their memory. */
  parameters(): ParameterInfo[] {
    return callSync(this.#bound('describe'), {}) as ParameterInfo[];
  }

  /** A copy of one parameter, of its gradient, or of its Adam moments. */
  read(kind: ParameterKind, name: string): Float32Array {
    const data = new Float32Array(this.#sizeOf(name));
    callSync(this.#bound('read'), { kind, name, data });
    return data;
  }

  write(kind: ParameterKind, name: string, data: Float32Array): void {
    const size = this.#sizeOf(name);
    if (!(data instanceof Float32Array) || data.length !== size) {
      fail('data', `a Float32Array of ${size} elements for ${name}`, describe(data));
    }
    callSync(this.#bound('write'), { kind, name, data });
  }

  /** Frees the native memory now instead of at collection. Further calls throw. */
  dispose(): void {
    this.#native = null;
  }

  #sizeOf(name: string): number {
    const info = this.parameters().find((parameter) => parameter.name === name);
    if (info === undefined) fail('name', 'a parameter name', name);
    return info.shape.reduce((a, b) => a * b, 1);
  }

  #bound(name: keyof NativePolicy) {
    const handle = this.#handle;
    return (args: NativeArguments, cancel?: Int32Array) =>
      cancel === undefined ? handle[name](args) : handle[name](args, cancel);
  }
}

function checkSeeds(seeds: Float64Array, prompts: PackedTokens): Float64Array {
  const expected = prompts.cuSeqlens.length - 1;
  if (!(seeds instanceof Float64Array) || seeds.length !== expected) {
    fail('promptSeeds', `a Float64Array of ${expected} seeds, one per prompt`, describe(seeds));
  }
  return seeds;
}

function packedArguments({ tokens, cuSeqlens }: PackedTokens): NativeArguments {
  if (!(tokens instanceof Int32Array)) fail('tokens', 'an Int32Array', describe(tokens));
  if (!(cuSeqlens instanceof Int32Array) || cuSeqlens.length < 1) {
    fail('cuSeqlens', 'an Int32Array of B + 1 offsets', describe(cuSeqlens));
  }
  return { tokens, count: tokens.length, cuSeqlens, sequences: cuSeqlens.length - 1 };
}

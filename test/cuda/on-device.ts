import { afterAll, expect } from 'vitest';
import type { keptLogits } from '../../lib/kernels/linear-logprobs.ts';
import { Tensor } from '../../lib/kernels/tensor.ts';
import { DEVICE } from './object.ts';

// Imports nothing that a suite replaces: the replacement would wait for itself.
// The suites of the CPU, run on a device: each function of a module is replaced by one that takes the same host
// tensors, sends them over, calls the function with those, and brings back what the call wrote.

type AnyFunction = (...args: unknown[]) => unknown;

/** Names of functions that take and give tensors. */
const CALLS = /^(tokenLogprobs|vocabShard|linearLogprobs|linearPolicyLoss|policyLoss|divergence)/;

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** The value with every tensor in it replaced. */
function mapped(value: unknown, replace: (tensor: Tensor) => Tensor): unknown {
  if (value instanceof Tensor) return replace(value);
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, mapped(inner, replace)]));
}

class Crossing {
  readonly #there = new Map<Tensor, Tensor>();
  /** False where the call is one of another call's, whose tensors are on the device already. */
  #ours = true;

  send(args: unknown[]): unknown[] {
    const over = (tensor: Tensor) => {
      if (tensor.device !== 'cpu') {
        this.#ours = false;
        return tensor;
      }
      const known = this.#there.get(tensor) ?? tensor.toSync(DEVICE);
      this.#there.set(tensor, known);
      return known;
    };
    const sent = args.map((value) => mapped(value, over));
    return this.#ours ? sent : args;
  }

  /** Inputs too are compared by whoever holds them: a call that wrote to one would show. */
  bring(result: unknown): unknown {
    if (!this.#ours) return result;
    const back = new Map<Tensor, Tensor>();
    for (const [here, there] of this.#there) back.set(there, here.copyFromSync(there));
    const made = mapped(result, (tensor) => {
      const known = back.get(tensor) ?? tensor.toSync('cpu');
      back.set(tensor, known);
      return known;
    });
    this.dispose();
    for (const tensor of back.keys()) tensor.dispose();
    return made;
  }

  dispose(): void {
    for (const tensor of this.#there.values()) tensor.dispose();
  }
}

/** Host memory as large as what the device keeps of f32, its widest type. */
function keptOnHost(make: typeof keptLogits): typeof keptLogits {
  return (rows, vocab) => {
    using there = make(rows, vocab, { device: DEVICE });
    return Tensor.alloc('f32', [there.size]);
  };
}

let crossings = 0;

function crossing(call: AnyFunction): AnyFunction {
  return (...args) => {
    const way = new Crossing();
    crossings += 1;
    try {
      const result = call(...way.send(args));
      return result instanceof Promise ? result.then((value) => way.bring(value)) : way.bring(result);
    } catch (error) {
      way.dispose();
      throw error;
    }
  };
}

/** A module of lib/kernels whose calls run on the device. */
export function onDevice<M extends object>(module: M): M {
  // A suite that got round the replacement would pass on the CPU.
  afterAll(() => expect(crossings).toBeGreaterThan(0));
  const entries = Object.entries(module).map(([name, value]) => {
    if (name === 'keptLogits') return [name, keptOnHost(value as typeof keptLogits)];
    return [name, CALLS.test(name) && typeof value === 'function' ? crossing(value as AnyFunction) : value];
  });
  return Object.fromEntries(entries) as M;
}

interface Compare {
  FLOAT_TYPES: readonly string[];
  expectSameBits: (what: string, actual: ArrayLike<number>, expected: ArrayLike<number>) => void;
  expectClose: (
    what: string,
    actual: ArrayLike<number>,
    expected: ArrayLike<number>,
    tolerance: { absolute?: number; relative?: number },
  ) => void;
}

/** How many times the CPU's tolerance the device may have, where its kernels round otherwise. */
interface Tolerances {
  /** False: what is the same to the bit on the CPU is close here. */
  sameBits?: boolean;
  slack?: Partial<Record<'f32' | 'bf16' | 'f16', number>>;
}

/** The element type of the running test is in its name. */
function slackHere(slack: NonNullable<Tolerances['slack']>): number {
  const name = expect.getState().currentTestName ?? '';
  const dtype = (['bf16', 'f16', 'f32'] as const).find((type) => name.includes(`'${type}'`));
  return (dtype && slack[dtype]) ?? 1;
}

/** test/kernels/compare.ts with the device in place of the CPU's instruction sets. */
export function comparing(module: object, { sameBits = true, slack = {} }: Tolerances = {}): object {
  const { FLOAT_TYPES, expectSameBits, expectClose } = module as Compare;
  const close: Compare['expectClose'] = (what, actual, expected, { absolute = 0, relative = 0 }) => {
    const times = slackHere(slack);
    expectClose(what, actual, expected, { absolute: times * absolute, relative: times * relative });
  };
  const nearly: Compare['expectSameBits'] = (what, actual, expected) =>
    close(what, actual, expected, { absolute: 1e-6, relative: 1e-6 });
  return {
    ...module,
    IMPLEMENTATIONS: ['cuda'],
    VARIANTS: FLOAT_TYPES.map((dtype) => ({ implementation: 'cuda', dtype })),
    use: () => {},
    expectClose: close,
    expectSameBits: sameBits ? expectSameBits : nearly,
  };
}

import path from 'node:path';
import { fileURLToPath } from 'node:url';
import bindings from 'bindings';
import { LapidaryError, type LapidaryErrorCode } from '../errors.ts';

/** Arguments cross as one plain object; see native/node/kernels.cc and policy.cc for what each call reads. */
export type NativeArguments = Record<string, unknown>;
type NativeCall = (args: NativeArguments, cancel?: Int32Array) => unknown;

export type KernelCall =
  | 'tokenLogprobs'
  | 'tokenLogprobsBackward'
  | 'linearLogprobs'
  | 'linearLogprobsBackward'
  | 'policyLoss'
  | 'policyLossReduce'
  | 'policyLossMap';

/** A policy's native half; lib/policy/policy.ts is its only user. */
export type NativePolicy = Record<
  'forward' | 'backward' | 'zeroGradients' | 'step' | 'sample' | 'read' | 'write' | 'describe' | 'setStep',
  NativeCall
>;

export interface NativeAddon extends Record<KernelCall, NativeCall> {
  configure(options: { threads: number; implementation: string }): void;
  describe(): { implementation: string; threads: number; implementations: string[] };
  Policy: new (config: NativeArguments) => NativePolicy;
}

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
let loaded: NativeAddon | undefined;

/** The addon, loaded on first use: importing the package loads nothing and starts no thread. */
export function addon(): NativeAddon {
  loaded ??= load();
  return loaded;
}

/** Where the addon was found. */
export function addonPath(): string {
  // `path` is an option of bindings that its type package does not know.
  const options = { bindings: 'lapidary', module_root: root, path: true };
  return bindings(options) as unknown as string;
}

function load(): NativeAddon {
  try {
    return bindings({ bindings: 'lapidary', module_root: root }) as NativeAddon;
  } catch (cause) {
    const tries = (cause as { tries?: string[] }).tries;
    const detail = tries ? `tried ${tries.join(', ')}` : (cause as Error).message;
    throw new LapidaryError(
      'ERR_LAPIDARY_ADDON',
      `the native addon could not be loaded on ${process.platform}-${process.arch}, Node ${process.version}: ` +
        `${detail}. Build it with "npm run install" in ${root} (needs a C++20 compiler, make and Python 3).`,
      { cause },
    );
  }
}

const NATIVE_CODES = new Set<string>(['ERR_LAPIDARY_ARGUMENT', 'ERR_LAPIDARY_NATIVE', 'ERR_LAPIDARY_STATE']);

/** Names are snake_case in C and camelCase here. */
function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Turns an error of the native layer into a LapidaryError; the argument is the first word of its message. */
function translate(error: unknown): unknown {
  const { code, message } = error as { code?: string; message?: string };
  if (code === undefined || message === undefined || !NATIVE_CODES.has(code)) return error;
  const name = /^[A-Za-z_.]+/.exec(message)?.[0];
  if (code !== 'ERR_LAPIDARY_ARGUMENT' || name === undefined) {
    return new LapidaryError(code as LapidaryErrorCode, message, { cause: error });
  }
  const argument = camelCase(name);
  return new LapidaryError(code, argument + message.slice(name.length), { cause: error, argument });
}

/** Runs a native call to its end on this thread. */
export function callSync(call: NativeCall, args: NativeArguments): unknown {
  try {
    return call(args);
  } catch (error) {
    throw translate(error);
  }
}

/**
 * Runs a native call on the addon's own thread. An abort rejects with `signal.reason`; a call that already runs
 * stops at its next tile, and the promise settles only then, so the buffers are free once it has. Outputs of an
 * aborted call are unspecified.
 */
export async function callAsync(
  call: NativeCall,
  args: NativeArguments,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  signal?.throwIfAborted();
  const cancel = new Int32Array(new SharedArrayBuffer(4));
  const abort = () => Atomics.store(cancel, 0, 1);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await call(args, cancel);
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_LAPIDARY_CANCELLED') throw signal?.reason ?? error;
    throw translate(error);
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import bindings from 'bindings';
import { LapidaryError, type LapidaryErrorCode } from '../errors.ts';
import { type KernelDefaults, kernelDefaults, libc, variable } from './environment.ts';
import type { NativeAddon, NativeArguments, NativeCall } from './native-addon.ts';

export type * from './native-addon.ts';

/** LAP_ABI_VERSION of native/include/lapidary/base.h, which the calls of this package are written for. */
const ABI_VERSION = 2;
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
let loaded: NativeAddon | undefined;

/** The addon, loaded on first use: importing the package loads nothing and starts no thread. */
export function addon(): NativeAddon {
  loaded ??= load();
  return loaded;
}

export interface AddonLocation {
  path: string;
  foundBy: 'LAPIDARY_ADDON' | 'build folder';
}

/** Where the addon is: the file that LAPIDARY_ADDON names, else the one that the install script built. */
export function addonLocation(): AddonLocation {
  const override = variable('LAPIDARY_ADDON');
  if (override !== undefined) return { path: path.resolve(override), foundBy: 'LAPIDARY_ADDON' };
  try {
    // `path` is an option of bindings that its type package does not know.
    const options = { bindings: 'lapidary', module_root: root, path: true };
    return { path: bindings(options) as unknown as string, foundBy: 'build folder' };
  } catch (cause) {
    const tries = (cause as { tries?: string[] }).tries ?? [];
    throw addonError(`none was found; tried ${tries.join(', ')}`, 'build folder', cause);
  }
}

function addonError(problem: string, foundBy: AddonLocation['foundBy'], cause?: unknown): LapidaryError {
  const system = [`${process.platform}-${process.arch}`, libc(), `Node ${process.version}`];
  const remedy =
    foundBy === 'LAPIDARY_ADDON'
      ? 'Unset LAPIDARY_ADDON, or set it to a lapidary.node built on this system'
      : `Build it with "npm run install" in ${root} (needs a C++20 compiler, make and Python 3)`;
  return new LapidaryError(
    'ERR_LAPIDARY_ADDON',
    `the native addon could not be loaded on ${system.filter(Boolean).join(', ')}: ${problem}. ${remedy}.`,
    { cause },
  );
}

/** What the loader of the operating system means, in plain words; the first pattern that fits. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/invalid ELF|file too short|wrong ELF class|mach-o|Win32|exec format/i, 'damaged, or of another platform'],
  [/GLIBC|CXXABI/, 'built against a newer C or C++ library than this system has'],
  [/undefined symbol|Symbol not found/i, 'built against another library than it meets here'],
  [/cannot open shared object|image not found|Library not loaded/i, 'a library that it needs is missing'],
  [/self-register/, 'no Node-API addon'],
];

function load(): NativeAddon {
  const { path: file, foundBy } = addonLocation();
  const named = foundBy === 'LAPIDARY_ADDON' ? `${file}, which LAPIDARY_ADDON names,` : file;
  if (!existsSync(file)) throw addonError(`${named} does not exist`, foundBy);
  // Node would run a file of any other ending as JavaScript.
  if (!file.endsWith('.node')) throw addonError(`${named} is no .node file`, foundBy);
  let native: NativeAddon;
  try {
    native = createRequire(import.meta.url)(file) as NativeAddon;
  } catch (cause) {
    const { message } = cause as Error;
    const reason = REASONS.find(([pattern]) => pattern.test(message))?.[1] ?? 'not loadable';
    throw addonError(`${named} is there but ${reason} (${message.trim()})`, foundBy, cause);
  }
  if (native.abiVersion !== ABI_VERSION) {
    const found = native.abiVersion === undefined ? 'no ABI version' : `ABI version ${native.abiVersion}`;
    throw addonError(`${named} has ${found}; this package needs ${ABI_VERSION}`, foundBy);
  }
  const defaults = kernelDefaults();
  if (defaults.threads !== 0 || defaults.implementation !== '') applyDefaults(native, defaults);
  return native;
}

/** The environment may name an implementation that this CPU does not have. */
function applyDefaults(native: NativeAddon, defaults: KernelDefaults): void {
  try {
    native.configure(defaults);
  } catch (cause) {
    const options = { argument: 'LAPIDARY_IMPLEMENTATION', cause };
    if ((cause as { code?: string }).code !== 'ERR_LAPIDARY_ARGUMENT') throw translate(cause);
    const names = Object.entries(native.inspect().implementations).flatMap(([name, ok]) =>
      ok ? [name] : [],
    );
    throw new LapidaryError(
      'ERR_LAPIDARY_ARGUMENT',
      `LAPIDARY_IMPLEMENTATION: expected one of ${names.join(', ')}, got "${defaults.implementation}"`,
      options,
    );
  }
}

const NATIVE_CODES = new Set<string>([
  ...['ERR_LAPIDARY_ARGUMENT', 'ERR_LAPIDARY_NATIVE', 'ERR_LAPIDARY_STATE'],
  ...['ERR_LAPIDARY_MEMORY', 'ERR_LAPIDARY_DEVICE'],
]);

/** Names are snake_case in C and camelCase here. */
function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Messages about an argument's state. */
const OF_AN_ARGUMENT = /^\w+ (has been disposed of|is still to be)/;

/** Turns an error of the native layer into a LapidaryError; the argument is the first word of its message. */
function translate(error: unknown): unknown {
  const { code, message } = error as { code?: string; message?: string };
  if (code === undefined || message === undefined || !NATIVE_CODES.has(code)) return error;
  const name = /^[A-Za-z_.]+/.exec(message)?.[0];
  const named = code === 'ERR_LAPIDARY_ARGUMENT' || OF_AN_ARGUMENT.test(message);
  if (!named || name === undefined) {
    return new LapidaryError(code as LapidaryErrorCode, message, { cause: error });
  }
  const argument = camelCase(name);
  const text = argument + message.slice(name.length);
  return new LapidaryError(code as LapidaryErrorCode, text, { cause: error, argument });
}

/** Runs native code that is no call with arguments; its errors become LapidaryErrors. */
export function guarded<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw translate(error);
  }
}

/** Frees what was made for a call that has failed: its `place`, where it is on a device. */
function discard({ place }: NativeArguments): void {
  (place as { fail(): void } | undefined)?.fail();
}

/** Runs a native call on this thread: on the CPU to its end, on a device until it is on the stream. */
export function callSync(call: NativeCall, args: NativeArguments): unknown {
  try {
    return call(args);
  } catch (error) {
    discard(args);
    throw translate(error);
  }
}

/** The cancel flags that wait for each signal. One listener serves them all: Node warns of more than ten. */
const watched = new WeakMap<AbortSignal, { flags: Set<Int32Array>; listener: () => void }>();

/** Raises `cancel` when the signal aborts, until the returned function is called. */
function watch(signal: AbortSignal | undefined, cancel: Int32Array): () => void {
  if (signal === undefined) return () => {};
  let watcher = watched.get(signal);
  if (watcher === undefined) {
    const flags = new Set<Int32Array>();
    const listener = () => {
      for (const flag of flags) Atomics.store(flag, 0, 1);
    };
    watcher = { flags, listener };
    watched.set(signal, watcher);
    signal.addEventListener('abort', listener, { once: true });
  }
  const { flags, listener } = watcher;
  flags.add(cancel);
  return () => {
    flags.delete(cancel);
    if (flags.size > 0) return;
    watched.delete(signal);
    signal.removeEventListener('abort', listener);
  };
}

/**
 * Runs a native call on the addon's own thread. On a device the call is put on the stream at once, and that thread only
 * waits for it: an abort comes too late then, and the promise fulfils. On the CPU an abort rejects with `signal.reason`; a call that already runs
 * stops at its next tile, and the promise settles only then, so the buffers are free once it has. Outputs of an
 * aborted call are unspecified.
 */
export async function callAsync(
  call: NativeCall,
  args: NativeArguments,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  if (signal?.aborted) discard(args);
  signal?.throwIfAborted();
  const cancel = new Int32Array(new SharedArrayBuffer(4));
  const unwatch = watch(signal, cancel);
  try {
    return await call(args, cancel);
  } catch (error) {
    discard(args);
    if ((error as { code?: string }).code === 'ERR_LAPIDARY_CANCELLED') throw signal?.reason ?? error;
    throw translate(error);
  } finally {
    unwatch();
  }
}

import { checkInteger, checkKeys } from './check.ts';
import { kernelDefaults } from './environment.ts';
import { addon, addonLocation, callSync, type NativeArguments } from './native.ts';

export interface Device {
  kind: 'cpu';
  /** The instruction set in use: "avx512", "avx2", "neon" or "portable". */
  implementation: string;
  threads: number;
  /** All that this CPU supports, best first. */
  implementations: string[];
  addon: string;
}

/** What the kernels run on. */
export function devices(): Device[] {
  return [{ kind: 'cpu', ...addon().describe(), addon: addonLocation().path }];
}

/**
 * Chooses threads and instruction set for the kernels of this thread of Node. Absent, 0 or "" leaves the choice to
 * LAPIDARY_THREADS and LAPIDARY_IMPLEMENTATION, and without those to the library: one thread per core, the best
 * instruction set. Waits for a running call.
 */
export function configureKernels(options: { threads?: number; implementation?: string }): void {
  checkKeys('options', options, ['threads', 'implementation']);
  const defaults = kernelDefaults();
  const threads = checkInteger('threads', options.threads ?? 0, 0, 4096) || defaults.threads;
  const native = addon();
  callSync((args) => native.configure(args as never), {
    threads,
    implementation: options.implementation || defaults.implementation,
  } satisfies NativeArguments);
}

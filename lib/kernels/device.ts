import { checkInteger, checkKeys } from './check.ts';
import { addon, addonPath, callSync, type NativeArguments } from './native.ts';

export interface Device {
  kind: 'cpu';
  /** The instruction set in use: "avx2" or "portable". */
  implementation: string;
  threads: number;
  /** All that this CPU supports, best first. */
  implementations: string[];
  addon: string;
}

/** What the kernels run on. */
export function devices(): Device[] {
  return [{ kind: 'cpu', ...addon().describe(), addon: addonPath() }];
}

/**
 * Chooses threads (0: one per core) and instruction set ("": the best) for the kernels of this thread of Node.
 * Waits for a running call.
 */
export function configureKernels(options: { threads?: number; implementation?: string }): void {
  checkKeys('options', options, ['threads', 'implementation']);
  const threads = checkInteger('threads', options.threads ?? 0, 0, 4096);
  const native = addon();
  callSync((args) => native.configure(args as never), {
    threads,
    implementation: options.implementation ?? '',
  } satisfies NativeArguments);
}

import { checkInteger, checkKeys } from './check.ts';
import { type CudaDevice, cuda } from './cuda.ts';
import { kernelDefaults } from './environment.ts';
import { addon, addonLocation, callSync, type NativeArguments } from './native.ts';

export interface CpuDevice {
  kind: 'cpu';
  device: 'cpu';
  /** The instruction set in use: "avx512", "avx2", "neon" or "portable". */
  implementation: string;
  threads: number;
  /** All that this CPU supports, best first. */
  implementations: string[];
  addon: string;
}

export type Device = CpuDevice | ({ kind: 'cuda' } & CudaDevice);

/** What the kernels run on: the CPU, then the CUDA devices. Where there are none, `cuda().reason` says why. */
export function devices(): [CpuDevice, ...Device[]] {
  const cpu = { kind: 'cpu', device: 'cpu', ...addon().describe(), addon: addonLocation().path } as const;
  return [cpu, ...cuda().devices.map((device) => ({ kind: 'cuda' as const, ...device }))];
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

import { LapidaryError } from '../errors.ts';

/** Variables that change how the kernels are found and run; docs/errors.md describes each. */
export const VARIABLES = [
  ...(['LAPIDARY_ADDON', 'LAPIDARY_CUDA_OBJECT'] as const),
  ...(['LAPIDARY_THREADS', 'LAPIDARY_IMPLEMENTATION'] as const),
] as const;

/** The variable's value; undefined where it is unset or empty. */
export function variable(name: (typeof VARIABLES)[number]): string | undefined {
  return process.env[name] || undefined;
}

export interface KernelDefaults {
  /** 0: one per core. */
  threads: number;
  /** "": the best that the CPU supports. */
  implementation: string;
}

/** What the kernels use where a caller leaves the choice to the library. */
export function kernelDefaults(): KernelDefaults {
  const threads = variable('LAPIDARY_THREADS') ?? '0';
  if (!/^\d{1,4}$/.test(threads) || Number(threads) > 4096) {
    const message = `LAPIDARY_THREADS: expected a whole number from 0 to 4096, got "${threads}"`;
    throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', message, { argument: 'LAPIDARY_THREADS' });
  }
  return { threads: Number(threads), implementation: variable('LAPIDARY_IMPLEMENTATION') ?? '' };
}

/** The C library of this process, such as "glibc 2.36"; "" where there is no choice of one. */
export function libc(): string {
  if (process.platform !== 'linux') return '';
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime ? `glibc ${header.glibcVersionRuntime}` : 'musl or another';
}

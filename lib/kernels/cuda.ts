import { existsSync } from 'node:fs';
import path from 'node:path';
import { LapidaryError } from '../errors.ts';
import { fail } from './argument.ts';
import { variable } from './environment.ts';
import { addon, addonLocation } from './native.ts';

export interface CudaDevice {
  /** Such as "cuda:0". */
  device: string;
  name: string;
  /** Such as "9.0". */
  computeCapability: string;
  multiprocessors: number;
  memoryBytes: number;
}

/** What was found of CUDA. Where `devices` is empty, `reason` says why. */
export interface Cuda {
  /** The object that was loaded; null where none was. */
  object: string | null;
  foundBy: 'LAPIDARY_CUDA_OBJECT' | 'beside the addon';
  /** CUDA versions such as "13.0": the newest that the driver knows (null: no driver), and the object's own. */
  driver: string | null;
  runtime: string | null;
  devices: CudaDevice[];
  reason: string | null;
}

const SUFFIXES: Partial<Record<NodeJS.Platform, string>> = { win32: 'dll', darwin: 'dylib' };

/** Where the CUDA object is: the file that LAPIDARY_CUDA_OBJECT names, else the one beside the addon. */
function objectLocation(): { file: string; foundBy: Cuda['foundBy'] } {
  const override = variable('LAPIDARY_CUDA_OBJECT');
  if (override !== undefined) return { file: path.resolve(override), foundBy: 'LAPIDARY_CUDA_OBJECT' };
  const name = `lapidary_cuda.${SUFFIXES[process.platform] ?? 'so'}`;
  return { file: path.join(path.dirname(addonLocation().path), name), foundBy: 'beside the addon' };
}

function version(number: number | undefined): string | null {
  if (!number) return null;
  return `${Math.floor(number / 1000)}.${Math.floor((number % 1000) / 10)}`;
}

let found: Cuda | undefined;

/**
 * The CUDA object and its devices, looked for on first use. What was found stays for this thread of Node; where
 * nothing was, the next call looks again.
 */
export function cuda(): Cuda {
  if (found !== undefined) return found;
  const { file, foundBy } = objectLocation();
  const nothing: Cuda = {
    ...{ object: null, foundBy, driver: null, runtime: null, devices: [] },
    reason: `there is no CUDA object at ${file}`,
  };
  if (!existsSync(file)) return nothing;
  const opened = addon().cudaOpen(file);
  if (opened.path === null) return { ...nothing, reason: opened.reason };
  const seen: Cuda = {
    ...{ object: opened.path, foundBy, driver: version(opened.driver), runtime: version(opened.runtime) },
    devices: opened.devices.map((device, index) => ({ device: `cuda:${index}`, ...device })),
    reason: opened.reason || null,
  };
  if (seen.devices.length > 0) found = seen;
  return seen;
}

/** The index of a device such as "cuda:0", which must be there. */
export function deviceIndex(argument: string, device: unknown): number {
  const index = /^cuda:(\d{1,3})$/.exec(String(device))?.[1];
  if (index === undefined) fail(argument, '"cpu", "cuda:0" or another cuda:N', JSON.stringify(device));
  const { devices, reason } = cuda();
  if (Number(index) >= devices.length) {
    const why = devices.length === 0 ? `no CUDA device: ${reason}` : `the last is cuda:${devices.length - 1}`;
    throw new LapidaryError('ERR_LAPIDARY_DEVICE', `${argument}: ${device} is not there; ${why}`, {
      argument,
    });
  }
  return Number(index);
}

import { readFileSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { LapidaryError } from '../errors.ts';
import { type Cuda, cuda } from '../kernels/cuda.ts';
import { libc, VARIABLES, variable } from '../kernels/environment.ts';
import { addon, addonLocation } from '../kernels/native.ts';
import { parseArguments } from './arguments.ts';

/** What `lapidary doctor --json` prints. Fields are added, never renamed. */
export interface Report {
  lapidary: string;
  node: string;
  platform: string;
  /** "" where the platform has only one. */
  libc: string;
  cpu: { model: string; cores: number };
  environment: Record<(typeof VARIABLES)[number], string | null>;
  kernels: KernelReport | null;
  /** Why `kernels` is null. */
  error: { code: string; message: string } | null;
}

export interface KernelReport {
  addon: { path: string; foundBy: string; abi: number };
  /** Node-API versions: of this Node, and the one that the addon needs. */
  napi: { node: number; addon: number };
  /** By the addon's own look at the CPU. */
  features: Record<string, boolean>;
  threads: number;
  implementations: { name: string; supported: boolean; chosen: boolean; reason: string }[];
  backends: { cpu: string; cuda: string };
  cuda: Cuda;
}

/** One line: the devices, or why there are none. */
function cudaLine({ devices, reason }: Cuda): string {
  return devices.length === 0 ? `no CUDA device: ${reason}` : `${devices.length} device(s)`;
}

function kernelReport(): KernelReport {
  const native = addon();
  const { implementation, threads } = native.describe();
  const seen = native.inspect();
  const found = cuda();
  const entry = (name: string, supported: boolean) => {
    const chosen = name === implementation;
    const better = variable('LAPIDARY_IMPLEMENTATION')
      ? 'LAPIDARY_IMPLEMENTATION names another'
      : 'a faster one is here';
    const why = chosen ? 'in use' : better;
    return { name, supported, chosen, reason: supported ? why : 'this CPU lacks its instructions' };
  };
  return {
    addon: { ...addonLocation(), abi: native.abiVersion },
    napi: { node: Number(process.versions.napi), addon: seen.napi },
    features: seen.features,
    threads,
    implementations: Object.entries(seen.implementations).map(([name, ok]) => entry(name, ok)),
    backends: { cpu: 'built', cuda: cudaLine(found) },
    cuda: found,
  };
}

/** Facts about this machine and installation; an addon that cannot be loaded is one of them. */
export function examine(): Report {
  const manifest = readFileSync(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8');
  const report: Report = {
    lapidary: (JSON.parse(manifest) as { version: string }).version,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    libc: libc(),
    cpu: { model: os.cpus()[0]?.model.trim() ?? 'unknown', cores: os.availableParallelism() },
    environment: Object.fromEntries(
      VARIABLES.map((name) => [name, variable(name) ?? null]),
    ) as Report['environment'],
    kernels: null,
    error: null,
  };
  try {
    report.kernels = kernelReport();
    report.cpu.model = addon().inspect().cpu || report.cpu.model;
  } catch (error) {
    if (!LapidaryError.isInstance(error)) throw error;
    report.error = { code: error.code, message: error.message };
  }
  return report;
}

function kernelLines(kernels: KernelReport): string[] {
  const { addon: file, napi, features } = kernels;
  const present = Object.keys(features).filter((name) => features[name]);
  return [
    `features    ${present.join(' ') || 'none that a kernel uses'}`,
    ...kernels.implementations.map(
      ({ name, reason }, i) => `${i === 0 ? 'kernels   ' : '          '}  ${name}: ${reason}`,
    ),
    `threads     ${kernels.threads}`,
    `addon       ${file.path} (${file.foundBy}), ABI ${file.abi}`,
    `Node-API    ${napi.addon} needed, ${napi.node} here`,
    `CUDA        ${kernels.backends.cuda}`,
    ...cudaLines(kernels.cuda),
  ];
}

function cudaLines({ object, foundBy, driver, runtime, devices }: Cuda): string[] {
  if (object === null) return [];
  const indent = ' '.repeat('CUDA        '.length);
  return [
    `${indent}${object} (${foundBy}), runtime ${runtime ?? 'unknown'}, driver ${driver ?? 'none'}`,
    ...devices.map(
      ({ device, name, computeCapability, multiprocessors, memoryBytes }) =>
        `${indent}${device}: ${name}, compute capability ${computeCapability}, ` +
        `${multiprocessors} multiprocessors, ${(memoryBytes / 2 ** 30).toFixed(1)} GiB`,
    ),
  ];
}

/** Prints what the kernels run on; exit status 1 where the addon cannot be loaded. */
export async function doctor(args: string[]): Promise<void> {
  const { json } = parseArguments(args, ['json'], 0);
  const report = examine();
  if (report.error !== null) process.exitCode = 1;
  if (json) {
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    return;
  }
  const system = [report.platform, report.libc].filter(Boolean).join(', ');
  const overrides = VARIABLES.flatMap((name) =>
    variable(name) === undefined ? [] : [`${name}=${variable(name)}`],
  );
  const lines = [
    `lapidary ${report.lapidary} on Node ${report.node}, ${system}`,
    `cpu         ${report.cpu.model}, ${report.cpu.cores} core(s)`,
    ...(report.kernels === null ? [] : kernelLines(report.kernels)),
    `environment ${overrides.join(' ') || 'no overrides'}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  if (report.error !== null) process.stderr.write(`lapidary: ${report.error.message}\n`);
}

import { readFileSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { devices } from '../kernels/device.ts';
import { parseArguments } from './arguments.ts';

/** Prints what the kernels run on; fails with the loader's error where the addon cannot be loaded. */
export async function doctor(args: string[]): Promise<void> {
  const { json } = parseArguments(args, ['json'], 0);
  const manifest = JSON.parse(
    readFileSync(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8'),
  );
  const facts = {
    lapidary: manifest.version as string,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cores: os.availableParallelism(),
    devices: devices(),
  };
  if (json) {
    process.stdout.write(`${JSON.stringify(facts, null, 2)}\n`);
    return;
  }
  const [device] = facts.devices;
  process.stdout.write(
    [
      `lapidary ${facts.lapidary} on Node ${facts.node}, ${facts.platform}`,
      `cpu       ${facts.cpu}, ${facts.cores} core(s)`,
      `kernels   ${device!.implementation} (of ${device!.implementations.join(', ')}), ${device!.threads} thread(s)`,
      `addon     ${device!.addon}`,
      '',
    ].join('\n'),
  );
}

import path from 'node:path';
import { loadConfig } from '../run/config.ts';
import { terminalProgress } from '../run/progress.ts';
import { run } from '../run/run.ts';
import { interruptSignal, parseArguments } from './arguments.ts';

export async function runCommand(args: string[]): Promise<void> {
  const { positionals, out, set } = parseArguments(args, ['out', 'set'], 1);
  const config = loadConfig(positionals[0]!, set);
  const root = out ?? path.join('runs', `${config.name}-${timestamp()}`);
  await run(config, { out: root, progress: terminalProgress(process.stdout), signal: interruptSignal() });
}

/** 20261122-213000, local time. */
export function timestamp(now = new Date()): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const date = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  return `${date}-${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
}

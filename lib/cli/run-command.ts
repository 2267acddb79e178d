import path from 'node:path';
import { loadConfig } from '../run/load-config.ts';
import type { StageName } from '../run/pipeline.ts';
import { streamProgress } from '../run/progress.ts';
import { run } from '../run/run.ts';
import { EXIT, interruptSignal, parseArguments } from './arguments.ts';

/** `run`, or the pipeline up to one stage: the directory is the same, so that a later command goes on from there. */
export function stageCommand(until: StageName) {
  return async (args: string[]): Promise<void> => {
    const { positionals, out, set, json } = parseArguments(args, ['out', 'set', 'json'], 1);
    const config = loadConfig(positionals[0]!, set);
    const root = out ?? path.join('runs', config.name);
    // With --json standard output is the manifest's alone.
    const progress = streamProgress(json ? process.stderr : process.stdout);
    const { manifest, complete } = await run(config, {
      out: root,
      until,
      progress,
      signal: interruptSignal(),
    });
    if (json) process.stdout.write(`${JSON.stringify({ directory: root, ...manifest }, null, 2)}\n`);
    else process.stdout.write(`\nrun directory: ${root}\nlook at it:    lapidary show ${root}\n`);
    if (complete) return;
    process.stderr.write('lapidary: part of the work is missing; the same command tries it again\n');
    process.exitCode = EXIT.partial;
  };
}

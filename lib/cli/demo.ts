import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../run/config.ts';
import { terminalProgress } from '../run/progress.ts';
import { run } from '../run/run.ts';
import { interruptSignal, parseArguments } from './arguments.ts';
import { timestamp } from './run-command.ts';

/** Both example configurations, one after the other. */
export async function demo(args: string[]): Promise<void> {
  const { out } = parseArguments(args, ['out'], 0);
  const root = out ?? path.join('runs', `demo-${timestamp()}`);
  const packageRoot = fileURLToPath(new URL('../..', import.meta.url));
  const progress = terminalProgress(process.stdout);
  const signal = interruptSignal();
  const started = performance.now();
  for (const [name, title] of [
    ['generated', 'Generated rollouts: chains of arithmetic modulo 13'],
    ['real', 'Real rollouts: 502 responses of real models'],
  ] as const) {
    const config = loadConfig(path.join(packageRoot, 'examples', `${name}.toml`));
    progress.line(`\n== ${title} ==`);
    await run(config, { out: path.join(root, name), progress, signal });
  }
  progress.line(
    `\ndemo done in ${((performance.now() - started) / 1000).toFixed(0)} s; all files are in ${root}`,
  );
}

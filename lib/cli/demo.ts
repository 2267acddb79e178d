import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Method, RunConfig } from '../run/config.ts';
import { loadConfig } from '../run/load-config.ts';
import { duration, streamProgress } from '../run/progress.ts';
import { run } from '../run/run.ts';
import { interruptSignal, parseArguments } from './arguments.ts';

/** Seconds for the seeds of the generated task, so that installing, building and the demo stay within ten minutes. */
const SEED_BUDGET = 440;

/** Methods that the full demo carries through three iterations. */
const ITERATED = ['RFT', 'BCPG', 'NSA -0.5', 'no propagation'];

/**
 * Real rollouts to a labelled set and a real gradient, then the generated task with every method. The plain demo does
 * as many seeds as fit its time and says how many; `--full` does all, and three iterations of the main methods.
 */
export async function demo(args: string[]): Promise<void> {
  const { out, set, full } = parseArguments(args, ['out', 'set', 'full'], 0);
  const root = out ?? path.join('runs', full ? 'demo-full' : 'demo');
  const examples = fileURLToPath(new URL('../../examples', import.meta.url));
  const progress = streamProgress(process.stdout);
  const signal = interruptSignal();
  const started = performance.now();
  progress.line('== Real rollouts: 502 responses of real models ==\n');
  const real = loadConfig(path.join(examples, 'real.toml'));
  await run(real, { out: path.join(root, 'real'), progress, signal });
  progress.line('\n== Generated rollouts: chains of arithmetic modulo 13 ==');
  const config = loadConfig(path.join(examples, 'demo.toml'), set);
  const generated = path.join(root, 'generated');
  const begun = performance.now();
  const goOn = (seconds: number) => (performance.now() - begun) / 1000 + seconds < SEED_BUDGET;
  const { seeds } = await run(full ? withIterations(config) : config, {
    ...{ out: generated, progress, signal },
    ...(full ? {} : { goOn }),
  });
  if (seeds.length < config.seeds.length) {
    progress.line(
      `\n${seeds.length} of ${config.seeds.length} seeds fitted the demo's time; npm run demo:full does all, and three iterations`,
    );
  }
  const seconds = (performance.now() - started) / 1000;
  progress.line(`\ndemo done in ${duration(seconds)}`);
  progress.line(`run directory: ${generated}\nlook at it:    node dist/cli/main.js show ${generated}`);
}

function withIterations(config: RunConfig): RunConfig {
  const methods = config.methods.map((method): Method => {
    return ITERATED.includes(method.name) ? Object.assign({}, method, { iterations: 3 }) : method;
  });
  return { ...config, methods };
}

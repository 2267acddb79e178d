#!/usr/bin/env node
import { LapidaryError } from '../errors.ts';
import { EXIT } from './arguments.ts';
import { demo } from './demo.ts';
import { doctor } from './doctor.ts';
import { exportCommand } from './export-command.ts';
import { planCommand } from './plan-command.ts';
import { stageCommand } from './run-command.ts';
import { show } from './show.ts';

const USAGE = `usage: lapidary COMMAND

  run CONFIG               the whole pipeline of a TOML file, in a run directory (--out, default runs/NAME); a run
                           that was cut off is gone on with, finished stages are skipped
  verify | segment | judge | label | train | evaluate CONFIG
                           the same, up to this stage
  plan CONFIG              what a run would do, skip, call and cost
  export CONFIG --format trl-stepwise|trl-kto|verl|prime-rl
                           the labelled set of the first method for another trainer
  show RUN                 what a run directory holds
  demo [--full] [--out DIR]
                           the generated task and the real rollouts, on the CPU
  doctor                   what was found: addon, instruction set, threads, versions

  -o, --set KEY=VALUE      changes one key of the configuration: -o train.lr=1e-3 -o methods.0.beta=0
  --json                   the result as JSON on standard output

exit status: 0 done, 1 failed, 3 finished with part of the work missing, 130 interrupted
`;

const COMMANDS: Record<string, (args: string[]) => Promise<void>> = {
  run: stageCommand('evaluate'),
  verify: stageCommand('verify'),
  segment: stageCommand('segment'),
  judge: stageCommand('judge'),
  label: stageCommand('label'),
  train: stageCommand('train'),
  evaluate: stageCommand('evaluate'),
  plan: planCommand,
  export: exportCommand,
  show,
  demo,
  doctor,
};

/** One line on standard error for an error of ours; anything else is a bug and keeps its stack. */
function report(error: unknown): number {
  if (LapidaryError.isInstance(error)) process.stderr.write(`lapidary: ${error.message}\n`);
  else if (error instanceof Error && error.name === 'AbortError') {
    process.stderr.write('lapidary: interrupted; the same command goes on from here\n');
    return EXIT.interrupted;
  } else process.stderr.write(`lapidary: unexpected error: ${(error as Error)?.stack ?? String(error)}\n`);
  return EXIT.failed;
}

const [name, ...args] = process.argv.slice(2);
const command = name === undefined ? undefined : COMMANDS[name];
if (name === '--help' || name === '-h' || name === 'help') {
  process.stdout.write(USAGE);
} else if (command === undefined) {
  process.stderr.write(name === undefined ? USAGE : `lapidary: unknown command "${name}"\n${USAGE}`);
  process.exitCode = EXIT.failed;
} else {
  try {
    await command(args);
  } catch (error) {
    process.exitCode = report(error);
  }
}

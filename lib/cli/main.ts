#!/usr/bin/env node
import { LapidaryError } from '../errors.ts';
import { demo } from './demo.ts';
import { doctor } from './doctor.ts';
import { runCommand } from './run-command.ts';

const USAGE = `usage: lapidary COMMAND

  run CONFIG [--out DIR] [--set KEY=VALUE]...
                           run the pipeline of a TOML file; writes a run directory (default runs/NAME-TIME)
  demo [--out DIR]         the generated task and the real rollouts, on the CPU, in a few minutes
  doctor [--json]          what was found: addon, instruction set, threads, versions
`;

const COMMANDS: Record<string, (args: string[]) => Promise<void>> = { run: runCommand, demo, doctor };

/** One line on standard error for an error of ours; anything else is a bug and keeps its stack. */
function report(error: unknown): void {
  if (LapidaryError.isInstance(error)) process.stderr.write(`lapidary: ${error.message}\n`);
  else if (error instanceof Error && error.name === 'AbortError')
    process.stderr.write('lapidary: interrupted\n');
  else process.stderr.write(`lapidary: unexpected error: ${(error as Error)?.stack ?? String(error)}\n`);
}

const [name, ...args] = process.argv.slice(2);
const command = name === undefined ? undefined : COMMANDS[name];
if (name === '--help' || name === 'help') {
  process.stdout.write(USAGE);
} else if (command === undefined) {
  process.stderr.write(name === undefined ? USAGE : `lapidary: unknown command "${name}"\n${USAGE}`);
  process.exitCode = 1;
} else {
  try {
    await command(args);
  } catch (error) {
    report(error);
    process.exitCode = 1;
  }
}

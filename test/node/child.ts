import { execFile } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));

export interface Ending {
  /** Exit code, or the signal that ended the process: a crash, or SIGKILL after the limit. */
  end: number | string;
  stdout: string;
  stderr: string;
}

/** Whether this process runs under AddressSanitizer, and its children with it. */
export const SANITIZED = process.env.ASAN_OPTIONS !== undefined;

/**
 * Node frees little when a process exits early or a worker is ended, which LeakSanitizer reports at length. Children
 * are searched for leaks all the same, but only what our own code allocated stays in `stderr`.
 */
const LEAKS = SANITIZED ? { LSAN_OPTIONS: `${process.env.LSAN_OPTIONS}:exitcode=0` } : {};

/** LeakSanitizer's own thread has crashed, as it did once in thousands of endings: no leaks were looked for. */
const TRACER_CRASH =
  /^Tracer caught signal .*\n(?:==\d+==(?:LeakSanitizer has encountered a fatal error|HINT: ).*\n?)+/m;

function withoutForeignLeaks(written: string): string {
  if (!SANITIZED) return written;
  const stderr = written.replace(TRACER_CRASH, '');
  const begin = stderr.search(/\n?=+\n==\d+==ERROR: LeakSanitizer/);
  if (begin < 0) return stderr;
  // The frames of each stack down to the first one of Node's.
  const stacks = stderr
    .slice(begin)
    .split('\n\n')
    .map((stack) => stack.split(process.execPath)[0]!);
  return stderr.slice(0, begin) + stacks.filter((stack) => stack.includes('/native/')).join('\n\n');
}

/** Runs Node in a process of its own, so that a crash is one failed assertion. */
export function node(command: readonly string[], env: Record<string, string> = {}): Promise<Ending> {
  return new Promise((resolve) => {
    const options = {
      timeout: 45_000,
      killSignal: 'SIGKILL',
      // A leak report of Node's own is longer than the default, which would end the child.
      maxBuffer: 2 ** 26,
      env: { ...process.env, ...LEAKS, ...env },
    } as const;
    const process_ = execFile(process.execPath, command, options, (_error, stdout, stderr) => {
      resolve({
        end: process_.signalCode ?? process_.exitCode ?? 'unknown',
        stdout: stdout.trim(),
        stderr: withoutForeignLeaks(stderr),
      });
    });
  });
}

/** Runs one of the fixtures. */
export function child(
  script: string,
  args: readonly string[] = [],
  flags: readonly string[] = [],
): Promise<Ending> {
  return node([...flags, path.join(here, 'fixtures', script), ...args]);
}

/** Runs the compiled command line. */
export function lapidary(args: readonly string[], env: Record<string, string> = {}): Promise<Ending> {
  return node([path.resolve(here, '..', '..', 'dist', 'cli', 'main.js'), ...args], env);
}

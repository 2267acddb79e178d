import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const TORCH = 'torch==2.13.0';
const LONGEST_INSTALL = 900_000;

/**
 * The Python of a virtual environment of the tests' own (build/python), made on first use. Null with a printed
 * reason where Python or its packages are not to be had. Asynchronous: the test runner must stay reachable while
 * PyTorch is unpacked.
 */
export async function pythonWithTorch(): Promise<string | null> {
  const root = path.resolve('build/python');
  const python = path.join(root, 'bin', 'python');
  const marker = path.join(root, 'installed');
  if (existsSync(marker)) return python;
  return await alone(`${root}.lock`, async () => {
    if (existsSync(marker)) return python;
    const steps: [string, string[]][] = [
      ['python3', ['-m', 'venv', root]],
      [python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', TORCH]],
    ];
    for (const [command, args] of steps) {
      try {
        await execute(command, args, { timeout: 600_000 });
      } catch (error) {
        const { stderr, message } = error as { stderr?: string; message: string };
        const reason = stderr?.trim().split('\n').at(-1) || message;
        console.log(`PyTorch parity is skipped: "${command} ${args.join(' ')}" failed: ${reason}`);
        return null;
      }
    }
    writeFileSync(marker, `${TORCH}\n`);
    return python;
  });
}

/** Test files run in processes side by side: one makes the environment, the others wait for it. */
async function alone<T>(lock: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(path.dirname(lock), { recursive: true });
  while (!acquire(lock)) await wait(500);
  try {
    return await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function acquire(lock: string): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== 'EEXIST') throw error;
  }
  // Left behind by a run that was killed.
  const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
  if (since !== undefined && Date.now() - since > LONGEST_INSTALL)
    rmSync(lock, { recursive: true, force: true });
  return false;
}

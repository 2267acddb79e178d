import { execFile } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const TORCH = 'torch==2.13.0';

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
}

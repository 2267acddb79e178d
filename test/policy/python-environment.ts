import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const TORCH = 'torch==2.13.0';

/**
 * The Python of a virtual environment of the tests' own (build/python), made on first use. Null with a printed
 * reason where Python or its packages are not to be had.
 */
export function pythonWithTorch(): string | null {
  const root = path.resolve('build/python');
  const python = path.join(root, 'bin', 'python');
  const marker = path.join(root, 'installed');
  if (existsSync(marker)) return python;
  const steps: [string, string[]][] = [
    ['python3', ['-m', 'venv', root]],
    [python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', TORCH]],
  ];
  for (const [command, args] of steps) {
    const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8', timeout: 600_000 });
    if (status !== 0) {
      const last = (error?.message ?? stderr.trim().split('\n').at(-1)) || `status ${status}`;
      console.log(`PyTorch parity is skipped: "${command} ${args.join(' ')}" failed: ${last}`);
      return null;
    }
  }
  writeFileSync(marker, `${TORCH}\n`);
  return python;
}

// npm run bench:install: NumPy and PyTorch for the benchmark, in a virtual environment of its own (bench/.venv; a
// folder in build/ would go with every rebuild of the addon).
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', 'bench');
const folder = path.join(root, '.venv');
const requirements = path.join(root, 'peers', 'python', 'requirements.txt');

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

run('python3', ['-m', 'venv', folder]);
run(path.join(folder, 'bin', 'python'), [
  ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'],
  ...['--requirement', requirements],
]);

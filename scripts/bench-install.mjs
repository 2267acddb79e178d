// npm run bench:install: the benchmark's peers. NumPy and PyTorch go to a virtual environment of their own (bench/.venv:
// a folder in build/ would go with every rebuild of the addon), ONNX Runtime to bench/peers/onnx/node_modules. What
// cannot be installed is left out of the benchmark.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const bench = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', 'bench');
const environment = path.join(bench, '.venv');
const python = path.join(environment, 'bin', 'python');
const requirements = path.join(bench, 'peers', 'python', 'requirements.txt');

// ONNX Runtime's CPU library lies in its package; its install script only fetches GPU parts, and is not run.
const steps = {
  'NumPy and PyTorch': [
    ['python3', '-m', 'venv', environment],
    [python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', requirements],
  ],
  'ONNX Runtime': [
    [
      ...['npm', 'install', '--prefix', path.join(bench, 'peers', 'onnx')],
      ...['--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund'],
    ],
  ],
};

for (const [peer, commands] of Object.entries(steps)) {
  for (const [command, ...args] of commands) {
    const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
    if (!error && status === 0) continue;
    console.error(`${peer}: "${command}" failed (${error?.message ?? `exit code ${status}`}); left out`);
    process.exitCode = 1;
    break;
  }
}

// Compares the kernels with what the trainers publish, rewritten in PyTorch (test/parity). Makes a Python environment
// of its own in build/python on first use; where that cannot be had the tests are skipped with a printed reason.
import { spawnSync } from 'node:child_process';

const { status, error } = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', 'test/parity'],
  {
    stdio: 'inherit',
  },
);
if (error) throw error;
process.exit(status ?? 1);

// Builds the native test programs with CMake in build/native and runs them with ctest.
import { spawnSync } from 'node:child_process';
import os from 'node:os';

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

run('cmake', ['-S', '.', '-B', 'build/native', '-DCMAKE_BUILD_TYPE=Release', '-DLAPIDARY_CUDA=OFF']);
const parallel = ['--parallel', String(os.availableParallelism())];
run('cmake', ['--build', 'build/native', ...parallel]);
run('ctest', ['--test-dir', 'build/native', '--output-on-failure', ...parallel]);

// Cross-compiles the native tests for 64-bit Arm (build/arm) and runs them in the user-mode emulator QEMU: those of
// the kernels, and with `--all` those of the policy, too. Needs Debian's g++-aarch64-linux-gnu and qemu-user; says
// that it is skipped where they are missing.
import { spawnSync } from 'node:child_process';
import os from 'node:os';

const COMPILER = 'aarch64-linux-gnu-g++';
const EMULATOR = 'qemu-aarch64';

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

const isHere = (program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
const missing = [COMPILER, EMULATOR].filter((program) => !isHere(program));
if (missing.length > 0) {
  console.log(`skipped: no ${missing.join(', no ')} (Debian: g++-aarch64-linux-gnu, qemu-user)`);
  process.exit(0);
}
run('cmake', [
  ...['-S', '.', '-B', 'build/arm', '-DCMAKE_BUILD_TYPE=Release', '-DLAPIDARY_CUDA=OFF'],
  ...['-DCMAKE_SYSTEM_NAME=Linux', '-DCMAKE_SYSTEM_PROCESSOR=aarch64', `-DCMAKE_CXX_COMPILER=${COMPILER}`],
  '-DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc',
  ...['-DCMAKE_EXE_LINKER_FLAGS=-static', `-DCMAKE_CROSSCOMPILING_EMULATOR=${EMULATOR}`],
]);
const all = process.argv.includes('--all');
const some = ['abi_test', 'exp_test', 'large_offset_test'];
run('cmake', [
  '--build',
  'build/arm',
  '--parallel',
  String(os.availableParallelism()),
  ...(all ? [] : ['--target', ...some]),
]);
run('ctest', [
  '--test-dir',
  'build/arm',
  '--output-on-failure',
  ...(all ? [] : ['-R', `^(${some.join('|')})$`]),
]);

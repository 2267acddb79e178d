// The native tests, and the Vitest suite over an instrumented addon, under AddressSanitizer (with leak detection)
// and UndefinedBehaviorSanitizer. Without arguments Vitest runs the tests of the kernels, of the boundary and of
// the policy, less the slow training runs; `npm run test:asan -- --all` runs all of it, and other arguments go to
// Vitest as they are.
import os from 'node:os';
import path from 'node:path';
import { build, run, runtimes } from './sanitizer.mjs';

const preload = runtimes(['libasan.so', 'libubsan.so']);
const instrumentation = ['-fsanitize=address,undefined', '-fno-sanitize-recover=undefined'];
const folder = build('asan', ['-O1', ...instrumentation]);

// The kernels of the device too, on the host and instrumented alike: what they do outside their memory shows.
const cudaObject = path.join(folder, 'simt', 'lapidary_cuda.so');
run(process.execPath, ['scripts/build-simt.mjs', '--out', path.dirname(cudaObject), ...instrumentation]);

const SUBSET = ['test/kernels', 'test/node', 'test/cuda', 'test/house'];
const given = process.argv.slice(2);
const chosen = given.includes('--all') ? given.filter((arg) => arg !== '--all') : given;
const tests = given.length === 0 ? SUBSET : chosen;

const options = {
  ASAN_OPTIONS: 'detect_leaks=1',
  LSAN_OPTIONS: `suppressions=${path.resolve('test/sanitizers/lsan.supp')}:print_suppressions=0`,
  UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
};
const parallel = ['--parallel', String(os.availableParallelism())];
run('ctest', ['--test-dir', folder, '--output-on-failure', ...parallel], options);
// The command line that some tests start is the compiled one.
run('npm', ['run', '--silent', 'build']);
// Threads: the workers of a pool of forks are killed before leaks are looked for.
run(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--pool=threads', '--no-file-parallelism', ...tests],
  {
    ...options,
    LD_PRELOAD: preload,
    LAPIDARY_ADDON: path.join(folder, 'lapidary.node'),
    LAPIDARY_CUDA_OBJECT: cudaObject,
    // Streams look at the environment of the process, which a thread of Node cannot change.
    LAPIDARY_SIMT_ASYNC: '1',
    LAPIDARY_SIMT_DEVICES: '2',
  },
);

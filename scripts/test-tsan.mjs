// The native tests, and a script that drives the pool, the job queue, cancellation and workers, under
// ThreadSanitizer. Plain Node, since Vitest's own threads would only add noise.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { build, run, runtimes } from './sanitizer.mjs';

const preload = runtimes(['libtsan.so']);
// Not the CUDA kernels on the host: their fibers are one thread that changes stacks, which ThreadSanitizer does not know.
const folder = build('tsan', ['-O1', '-fsanitize=thread'], ['lapidary', 'core_tests']);
run('ctest', ['--test-dir', folder, '--output-on-failure', '-E', '^cuda_'], {
  TSAN_OPTIONS: 'halt_on_error=1',
});

// Node itself is not instrumented: the sanitizer does not see its atomics, and takes some of what its workers hand
// to each other for races. Those reports have no frame of ours; any report with one is a finding.
const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['test/sanitizers/threads.mjs'], {
  encoding: 'utf8',
  maxBuffer: 2 ** 28,
  env: {
    ...process.env,
    TSAN_OPTIONS: 'exitcode=0:second_deadlock_stack=1',
    LD_PRELOAD: preload,
    LAPIDARY_ADDON: path.join(folder, 'lapidary.node'),
  },
});
const reports = stderr.split(/^=+$/m).filter((text) => text.includes('WARNING: ThreadSanitizer'));
const ours = reports.filter((text) => text.includes('/native/'));
for (const report of ours) console.log(report);
console.log(`${reports.length - ours.length} reports without a frame of ours set aside`);
process.stdout.write(stdout);
if (stdout === '' || signal !== null) console.log(stderr.slice(-4000));
if (ours.length > 0 || status !== 0) {
  console.log(`${ours.length} data races; node ended with ${signal ?? `status ${status}`}`);
  process.exit(1);
}

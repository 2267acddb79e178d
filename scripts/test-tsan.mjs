// The native tests, and a script that drives the pool, the job queue, cancellation and workers, under
// ThreadSanitizer. Plain Node, since Vitest's own threads would only add noise.
import path from 'node:path';
import { build, run, runtimes } from './sanitizer.mjs';

const preload = runtimes(['libtsan.so']);
const folder = build('tsan', ['-O1', '-fsanitize=thread']);
const suppressions = path.resolve('test/sanitizers/tsan.supp');
const options = { TSAN_OPTIONS: `halt_on_error=1:second_deadlock_stack=1:suppressions=${suppressions}` };
run('ctest', ['--test-dir', folder, '--output-on-failure'], options);
run(process.execPath, ['test/sanitizers/threads.mjs'], {
  ...options,
  LD_PRELOAD: preload,
  LAPIDARY_ADDON: path.join(folder, 'lapidary.node'),
});

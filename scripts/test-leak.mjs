// 10,000 calls of every operation, synchronous, asynchronous and refused: memory must not grow. See test/leak.
import { run } from './sanitizer.mjs';

run(process.execPath, [
  'node_modules/vitest/vitest.mjs',
  'run',
  '--config',
  'test/leak/vitest.config.ts',
  '--root',
  '.',
]);

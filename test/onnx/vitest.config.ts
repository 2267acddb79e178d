import { defineConfig } from 'vitest/config';

/** For scripts/test-onnx.mjs alone: these need packages that are not among the project's. */
export default defineConfig({
  test: {
    include: ['test/onnx/*.onnx.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 60_000,
    reporters: ['default', './test/count-reporter.ts'],
  },
});

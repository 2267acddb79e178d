import { defineConfig } from 'vitest/config';

// Apart from the ordinary suite: it takes a minute, and its process can collect garbage on request.
export default defineConfig({
  test: {
    include: ['test/leak/*.leak.ts'],
    pool: 'forks',
    execArgv: ['--expose-gc'],
    testTimeout: 300_000,
    reporters: ['default', './test/count-reporter.ts'],
  },
});

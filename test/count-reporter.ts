import type { Reporter, TestModule } from 'vitest/node';

const NAMED_AT_MOST = 40;

/**
 * Closes a run with the plain line "N passed, N failed, N skipped" that any CI can read, and before it names each failed
 * test on one line that starts with FAILED, so that the last lines of a log say what went wrong.
 */
export default class CountReporter implements Reporter {
  onTestRunEnd(
    modules: ReadonlyArray<TestModule>,
    unhandledErrors: ReadonlyArray<{ message: string }> = [],
  ): void {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const failures: string[] = [];
    for (const module of modules) {
      const file = module.relativeModuleId;
      for (const test of module.children.allTests()) {
        const { state, errors } = test.result();
        if (state === 'passed' || state === 'failed') counts[state] += 1;
        else counts.skipped += 1;
        if (state === 'failed')
          failures.push(`${file} > ${test.fullName}: ${firstLine(errors?.[0]?.message)}`);
      }
      // A file that fails to load has no tests; it still is a failure.
      if (module.state() === 'failed' && [...module.children.allTests()].length === 0) {
        counts.failed += 1;
        failures.push(`${file}: ${firstLine(module.errors()[0]?.message)}`);
      }
    }
    for (const error of unhandledErrors) failures.push(`outside any test: ${firstLine(error.message)}`);
    for (const failure of failures.slice(0, NAMED_AT_MOST)) console.log(`FAILED ${failure}`);
    if (failures.length > NAMED_AT_MOST) console.log(`FAILED ${failures.length - NAMED_AT_MOST} more`);
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  }
}

function firstLine(message: string | undefined): string {
  return (message ?? 'no message').split('\n')[0]?.slice(0, 300) ?? '';
}

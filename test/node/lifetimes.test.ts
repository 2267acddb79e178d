import { execFile } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const fixtures = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures');

interface Ending {
  /** Exit code, or the signal that ended the process: a crash, or SIGKILL after the limit. */
  end: number | string;
  stdout: string;
  stderr: string;
}

/** Runs a fixture in a process of its own, so that a crash is one failed assertion. */
function child(script: string, args: readonly string[] = [], flags: readonly string[] = []): Promise<Ending> {
  return new Promise((resolve) => {
    const command = [...flags, path.join(fixtures, script), ...args];
    const options = { timeout: 45_000, killSignal: 'SIGKILL' } as const;
    const process_ = execFile(process.execPath, command, options, (_error, stdout, stderr) => {
      resolve({ end: process_.signalCode ?? process_.exitCode ?? 'unknown', stdout: stdout.trim(), stderr });
    });
  });
}

describe('a process with the addon', () => {
  it('ends by itself when its calls are done', async () => {
    const third = Math.fround(-Math.log(10));
    expect(await child('idle.mjs')).toEqual({ end: 0, stdout: Array(4).fill(third).join(' '), stderr: '' });
  });

  it('waits for calls that nobody awaits', async () => {
    expect(await child('unawaited.mjs')).toEqual({ end: 0, stdout: 'settled 10', stderr: '' });
  });

  it.each(['now', 'soon', 'callback'])('exits with its code while jobs run and wait: %s', async (when) => {
    expect(await child('exit.mjs', [when])).toMatchObject({ end: 7, stderr: '' });
  });

  it.each(['exception', 'rejection'])('dies of an uncaught %s, and of nothing else', async (kind) => {
    const { end, stderr } = await child('uncaught.mjs', [kind]);
    expect(stderr).toContain('boom');
    expect(end).toBe(1);
  });

  it.each(['1', '2'])('outlives 30 workers ended at random moments (seed %s)', async (seed) => {
    expect(await child('terminate.mjs', [seed])).toEqual({ end: 0, stdout: 'all ended', stderr: '' });
  });

  it('serves a dozen workers, one of which fails', async () => {
    const { end, stdout, stderr } = await child('many-workers.mjs');
    expect({ end, stdout, stderr }).toEqual({
      end: 0,
      stdout: `${Math.fround(-Math.log(8))} five`,
      stderr: '',
    });
  });

  it('does not grow', async () => {
    const { end, stdout, stderr } = await child('leak.mjs', [], ['--expose-gc']);
    expect({ end, stderr }).toEqual({ end: 0, stderr: '' });
    const { rss, external, heapUsed } = JSON.parse(stdout) as Record<string, number>;
    // Each lost copy would be 128 KiB a call, each lost job some hundred bytes.
    expect(rss).toBeLessThan(48 * 2 ** 20);
    expect(external).toBeLessThan(8 * 2 ** 20);
    expect(heapUsed).toBeLessThan(2 ** 20);
  });
});

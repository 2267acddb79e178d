import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { addonLocation } from '../../lib/kernels/native.ts';
import { child, SANITIZED } from './child.ts';

describe('a process with the addon', () => {
  it('ends by itself when its calls are done', async () => {
    const third = Math.fround(-Math.log(10));
    expect(await child('idle.mjs')).toEqual({ end: 0, stdout: Array(4).fill(third).join(' '), stderr: '' });
  });

  it('waits for calls that nobody awaits', async () => {
    expect(await child('unawaited.mjs')).toEqual({ end: 0, stdout: 'settled 10', stderr: '' });
  });

  const endings = ['natural', 'exit', 'throw', 'rejection', 'SIGTERM'] as const;
  const moments = ['idle', 'queued', 'running'] as const;
  it.each(endings.flatMap((how) => moments.map((when) => [how, when] as const)))(
    'ends by %s and of nothing else while the addon is %s',
    async (how, when) => {
      const { end, stderr } = await child('ending.mjs', [how, when]);
      expect(end).toBe({ natural: 0, exit: 7, throw: 1, rejection: 1, SIGTERM: 'SIGTERM' }[how]);
      if (how === 'throw' || how === 'rejection') expect(stderr).toContain('boom');
      else expect(stderr).toBe('');
    },
  );

  it.each(['1', '2', '3', '4'])('outlives 25 workers ended at random moments (seed %s)', async (seed) => {
    expect(await child('terminate.mjs', [seed])).toEqual({ end: 0, stdout: 'all ended', stderr: '' });
  });

  it('may load two copies of the addon', async () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'lapidary-'));
    const copy = path.join(folder, 'lapidary.node');
    copyFileSync(addonLocation().path, copy);
    const tenth = Math.fround(-Math.log(10));
    const stdout = `1 3 ${tenth} ${tenth}`;
    expect(await child('two-copies.mjs', [copy])).toEqual({ end: 0, stdout, stderr: '' });
    rmSync(folder, { recursive: true });
  });

  it('serves a dozen workers, one of which fails', async () => {
    const { end, stdout, stderr } = await child('many-workers.mjs');
    expect({ end, stdout, stderr }).toEqual({
      end: 0,
      stdout: `${Math.fround(-Math.log(8))} five`,
      stderr: '',
    });
  });

  // AddressSanitizer keeps freed memory back on purpose.
  it.skipIf(SANITIZED)('does not grow', async () => {
    const { end, stdout, stderr } = await child('leak.mjs', [], ['--expose-gc']);
    expect({ end, stderr }).toEqual({ end: 0, stderr: '' });
    const { rss, external, heapUsed } = JSON.parse(stdout) as Record<string, number>;
    // Each lost copy would be 128 KiB a call, each lost job some hundred bytes.
    expect(rss).toBeLessThan(48 * 2 ** 20);
    expect(external).toBeLessThan(8 * 2 ** 20);
    expect(heapUsed).toBeLessThan(2 ** 20);
  });
});

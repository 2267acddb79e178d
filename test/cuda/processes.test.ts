import path from 'node:path';
import { expect, it } from 'vitest';
import { node } from '../node/child.ts';
import { OBJECT } from './object.ts';

const run = (name: string, argument: string, env: Record<string, string> = {}) =>
  node([path.join(import.meta.dirname, 'fixtures', name), argument], {
    LAPIDARY_CUDA_OBJECT: OBJECT,
    LAPIDARY_SIMT_ASYNC: '1',
    ...env,
  });

it.each([
  ['naturally', 'natural', 0],
  ['after its work', 'settled', 0],
  ['by process.exit', 'exit', 7],
  ['by a throw', 'throw', 1],
])('a process that leaves tensors and work behind ends %s', async (_, how, status) => {
  const { end, stderr } = await run('ending.mjs', how);
  expect(end, stderr).toBe(status);
});

it('workers have streams of their own and end by themselves', async () => {
  const { end, stdout, stderr } = await run('ending.mjs', 'workers');
  expect({ end, stdout, stderr }).toEqual({ end: 0, stdout: '[0,0,0]', stderr: '' });
});

it('workers can be ended at their work', async () => {
  const { end, stdout, stderr } = await run('ending.mjs', 'terminate');
  expect({ end, stdout, stderr }).toEqual({ end: 0, stdout: '[1,1,1]', stderr: '' });
});

it('workers that are ended leave no memory taken on the device', async () => {
  const { end, stdout, stderr } = await run('ending.mjs', 'left');
  expect({ end, stdout, stderr }).toEqual({ end: 0, stdout: '0', stderr: '' });
});

it('a call that runs out of device memory leaves nothing behind', async () => {
  const { end, stdout, stderr } = await run('memory.mjs', '', { LAPIDARY_SIMT_MEMORY: String(2 ** 20) });
  expect({ end, stderr }).toEqual({ end: 0, stderr: '' });
  const code = 'ERR_LAPIDARY_MEMORY';
  expect(JSON.parse(stdout)).toEqual([[code, code, code], true, expect.closeTo(-Math.log(20_000), 4)]);
});

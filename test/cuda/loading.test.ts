import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { devices } from '../../lib/kernels/device.ts';
import { lapidary, node } from '../node/child.ts';
import { OBJECT } from './object.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'lapidary-cuda-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const fixture = (name: string) => path.join(import.meta.dirname, 'fixtures', name);

function file(name: string, content: string | Buffer): string {
  const made = path.join(folder, name);
  writeFileSync(made, content);
  return made;
}

async function doctor(env: Record<string, string>) {
  const { end, stdout } = await lapidary(['doctor', '--json'], env);
  expect(end).toBe(0);
  return JSON.parse(stdout).kernels;
}

it('doctor shows the object and its devices', async () => {
  const { cuda, backends } = await doctor({ LAPIDARY_CUDA_OBJECT: OBJECT });
  expect(cuda).toMatchObject({ object: OBJECT, foundBy: 'LAPIDARY_CUDA_OBJECT', reason: null });
  expect(cuda.devices[0]).toEqual({
    device: 'cuda:0',
    name: expect.stringMatching(/\S/),
    computeCapability: expect.stringMatching(/^\d+\.\d+$/),
    multiprocessors: expect.any(Number),
    memoryBytes: expect.any(Number),
  });
  expect(backends.cuda).toBe(`${cuda.devices.length} device(s)`);
  const { stdout } = await lapidary(['doctor'], { LAPIDARY_CUDA_OBJECT: OBJECT });
  expect(stdout).toMatch(/^CUDA {8}\d+ device\(s\)$/m);
  expect(stdout).toMatch(/^ {12}cuda:0: .*, compute capability \d+\.\d+, \d+ multiprocessors, \d+\.\d GiB$/m);
  expect(devices()[1]).toMatchObject({ kind: 'cuda', device: 'cuda:0' });
});

it('an object beside the addon is found', async () => {
  const beside = path.join(folder, 'beside');
  mkdirSync(beside);
  copyFileSync(devices()[0].addon, path.join(beside, 'lapidary.node'));
  copyFileSync(OBJECT, path.join(beside, 'lapidary_cuda.so'));
  const env = { LAPIDARY_ADDON: path.join(beside, 'lapidary.node'), LAPIDARY_CUDA_OBJECT: '' };
  const { cuda } = await doctor(env);
  expect(cuda).toMatchObject({ object: path.join(beside, 'lapidary_cuda.so'), foundBy: 'beside the addon' });
});

const ABSENT: [string, () => Record<string, string>, RegExp][] = [
  ['no object', () => ({ LAPIDARY_CUDA_OBJECT: '/nowhere/cuda.so' }), /there is no CUDA object at \/nowhere/],
  ['an empty object', () => ({ LAPIDARY_CUDA_OBJECT: file('empty.so', '') }), /empty.so could not be loaded/],
  ['a text', () => ({ LAPIDARY_CUDA_OBJECT: file('text.so', 'not an object') }), /could not be loaded/],
  ['another library', () => ({ LAPIDARY_CUDA_OBJECT: devices()[0].addon }), /has no ABI version/],
  ['no device', () => ({ LAPIDARY_SIMT_DEVICES: '0' }), /no CUDA-capable device is detected/],
];

it.each(ABSENT)('%s is a reason, and nothing else fails', async (_, env, reason) => {
  const given = { LAPIDARY_CUDA_OBJECT: OBJECT, ...env() };
  const { cuda, backends } = await doctor(given);
  expect(cuda.devices).toEqual([]);
  expect(cuda.reason).toMatch(reason);
  expect(backends.cuda).toMatch(/^no CUDA device: /);
  const { end, stdout, stderr } = await node([fixture('absent.mjs')], given);
  expect({ end, stderr }).toEqual({ end: 0, stderr: '' });
  const [code, message, logp] = JSON.parse(stdout);
  expect({ code, logp }).toEqual({ code: 'ERR_LAPIDARY_DEVICE', logp: Math.fround(-Math.log(2)) });
  expect(message).toMatch(reason);
});

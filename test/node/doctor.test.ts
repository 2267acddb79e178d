import os from 'node:os';
import { expect, it } from 'vitest';
import { devices } from '../../lib/kernels/device.ts';
import { lapidary } from './child.ts';

it('doctor --json has a stable shape', async () => {
  const { end, stdout, stderr } = await lapidary(['doctor', '--json']);
  expect({ end, stderr }).toEqual({ end: 0, stderr: '' });
  const report = JSON.parse(stdout);
  expect(report).toEqual({
    lapidary: expect.stringMatching(/^\d+\.\d+\.\d+/),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    libc: expect.any(String),
    cpu: { model: expect.stringMatching(/\S/), cores: os.availableParallelism() },
    environment: {
      LAPIDARY_ADDON: process.env.LAPIDARY_ADDON || null,
      LAPIDARY_CUDA_OBJECT: process.env.LAPIDARY_CUDA_OBJECT || null,
      LAPIDARY_THREADS: process.env.LAPIDARY_THREADS || null,
      LAPIDARY_IMPLEMENTATION: process.env.LAPIDARY_IMPLEMENTATION || null,
    },
    kernels: {
      addon: {
        path: devices()[0]!.addon,
        foundBy: expect.stringMatching(/^(LAPIDARY_ADDON|build folder)$/),
        abi: expect.any(Number),
      },
      napi: { node: Number(process.versions.napi), addon: 8 },
      features: expect.any(Object),
      threads: expect.any(Number),
      implementations: expect.any(Array),
      backends: { cpu: 'built', cuda: expect.stringMatching(/^(no CUDA device: .|[1-9]\d* device)/) },
      cuda: expect.objectContaining({ devices: expect.any(Array), foundBy: expect.any(String) }),
    },
    error: null,
  });
  const { implementations, features } = report.kernels;
  expect(implementations.filter((entry: { chosen: boolean }) => entry.chosen)).toHaveLength(1);
  const supported = implementations.filter((entry: { supported: boolean }) => entry.supported);
  expect(supported.map((entry: { name: string }) => entry.name)).toEqual(devices()[0]!.implementations);
  for (const entry of implementations) expect(entry.reason).toMatch(/\S/);
  if (process.arch === 'x64') {
    expect(Object.keys(features)).toEqual([
      ...['avx2', 'fma', 'f16c', 'avx512f', 'avx512bw', 'avx512dq', 'avx512vl', 'avx512_bf16'],
    ]);
  }
  for (const present of Object.values(features)) expect(present).toBeTypeOf('boolean');
});

it('doctor is one readable screen', async () => {
  const { end, stdout } = await lapidary(['doctor']);
  expect(end).toBe(0);
  for (const word of ['lapidary', 'cpu', 'features', 'kernels', 'threads', 'addon', 'Node-API', 'CUDA']) {
    expect(stdout).toMatch(new RegExp(`^${word}`, 'm'));
  }
});

it('doctor --json tells of an addon that cannot be loaded, too', async () => {
  const { end, stdout } = await lapidary(['doctor', '--json'], { LAPIDARY_ADDON: '/nowhere/lapidary.node' });
  expect(end).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    kernels: null,
    error: { code: 'ERR_LAPIDARY_ADDON', message: expect.stringContaining('/nowhere/lapidary.node') },
    environment: { LAPIDARY_ADDON: '/nowhere/lapidary.node' },
  });
});

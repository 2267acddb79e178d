import { vi } from 'vitest';

vi.mock('../../lib/kernels/token-logprobs.ts', async (original) => {
  const { onDevice } = await import('./on-device.ts');
  return onDevice(await original<object>());
});
vi.mock('../kernels/compare.ts', async (original) => {
  const { comparing } = await import('./on-device.ts');
  return comparing(await original<object>(), { sameBits: false });
});
// A row's sums are taken from where it begins modulo 16 bytes: elsewhere they differ in the last bits.
await import('../kernels/row-invariance.test.ts');

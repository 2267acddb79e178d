import { vi } from 'vitest';

vi.mock('../../lib/kernels/token-logprobs.ts', async (original) => {
  const { onDevice } = await import('./on-device.ts');
  return onDevice(await original<object>());
});
vi.mock('../kernels/compare.ts', async (original) => {
  const { comparing } = await import('./on-device.ts');
  return comparing(await original<object>());
});
// Threads are the CPU's.
vi.mock('../../lib/kernels/device.ts', async (original) => ({
  ...(await original<object>()),
  configureKernels: () => {},
}));
await import('../kernels/token-logprobs-with-gradient.test.ts');

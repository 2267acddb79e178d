import { vi } from 'vitest';

vi.mock('../../lib/kernels/vocab-shard.ts', async (original) => {
  const { onDevice } = await import('./on-device.ts');
  return onDevice(await original<object>());
});
vi.mock('../kernels/compare.ts', async (original) => {
  const { comparing } = await import('./on-device.ts');
  return comparing(await original<object>());
});
await import('../kernels/vocab-shard.test.ts');

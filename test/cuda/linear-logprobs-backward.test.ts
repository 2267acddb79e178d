import { vi } from 'vitest';

vi.mock('../../lib/kernels/linear-logprobs.ts', async (original) => {
  const { onDevice } = await import('./on-device.ts');
  return onDevice(await original<object>());
});
vi.mock('../kernels/compare.ts', async (original) => {
  const { comparing } = await import('./on-device.ts');
  return comparing(await original<object>(), { slack: { bf16: 4000, f16: 300 } });
});
// Gradients of logits pass through the 16 bits of the inputs before the products, and kept logits too.
await import('../kernels/linear-logprobs-backward.test.ts');

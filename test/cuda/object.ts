import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The CUDA object that the tests load: the kernel sources on the host, as `npm run pretest` builds them. */
export const OBJECT =
  process.env.LAPIDARY_CUDA_OBJECT ||
  path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', 'build-simt', 'lapidary_cuda.so');

if (!existsSync(OBJECT)) throw new Error(`${OBJECT} is missing; node scripts/build-simt.mjs builds it`);
process.env.LAPIDARY_CUDA_OBJECT = OBJECT;
// Streams work later, as those of a device do: who does not wait sees old or poisoned memory.
process.env.LAPIDARY_SIMT_ASYNC ??= '1';

export const DEVICE = 'cuda:0';

// The thread that runs a symbolic solver. Plain JavaScript in lib/, and started from there by the compiled package
// too: Node 20 cannot start a worker from a TypeScript file, and `lib` is published beside `dist`.
import { parentPort, workerData } from 'node:worker_threads';

const solver = import(workerData.solver);
// Answered in `message` handlers; a solver that cannot be loaded must not end the thread before a question comes.
solver.catch(() => {});

parentPort.on('message', async ({ id, a, b }) => {
  try {
    const { identical } = await solver;
    parentPort.postMessage({ id, identical: identical(a, b) === true });
  } catch (error) {
    parentPort.postMessage({ id, error: String(error?.message ?? error) });
  }
});

solver.then(
  () => parentPort.postMessage({ ready: true }),
  (error) => parentPort.postMessage({ ready: false, error: String(error?.message ?? error) }),
);

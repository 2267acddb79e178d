// Drives everything of the addon that crosses threads, for a sanitizer to watch: pools of several sizes, the job
// queue, synchronous calls beside running jobs, reconfiguration, cancellation, the policy, and workers that end or
// are ended. Prints "N passed, N failed".
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { addon, longCall, tokenLogprobs } from '../node/fixtures/addon.mjs';

const uniform = (vocab) => Math.fround(-Math.log(vocab));

function assert(condition, what) {
  if (!condition) throw new Error(what);
}

async function pools() {
  for (const threads of [1, 2, 3, 8]) {
    addon.configure({ threads, implementation: '' });
    const results = await Promise.all(
      [...Array(6)].map(() => tokenLogprobs(64, 1000, { sharedMemory: true })),
    );
    assert(
      results.every((logp) => logp[63] === uniform(1000)),
      `with ${threads} threads`,
    );
  }
}

async function besideRunningJobs() {
  const jobs = [...Array(8)].map(() => tokenLogprobs(64, 3000, { sharedMemory: true }));
  for (let i = 0; i < 8; i++) addon.configure({ threads: 1 + (i % 3), implementation: '' });
  await Promise.all(jobs);
}

async function cancelled() {
  addon.configure({ threads: 2, implementation: '' });
  for (let i = 0; i < 5; i++) {
    const cancel = new Int32Array(new SharedArrayBuffer(4));
    const outcome = longCall(cancel).then(
      () => 'done',
      (error) => error.code,
    );
    for (let turns = 0; turns < 10 * i; turns++) await setImmediate();
    Atomics.store(cancel, 0, 1);
    assert((await outcome) === 'ERR_LAPIDARY_CANCELLED', 'a cancelled job says so');
  }
}

async function policy() {
  const sizes = { vocab: 64, width: 32, layers: 2, heads: 2, mlpWidth: 64, maxContext: 32 };
  const shape = { ...sizes, tiedHead: false, ropeTheta: 10000, normEpsilon: 1e-6 };
  const model = new addon.Policy({ ...shape, seed: 1, threads: 3, implementation: '' });
  const flag = () => new Int32Array(new SharedArrayBuffer(4));
  const tokens = Int32Array.from({ length: 30 }, (_, i) => (i * 7) % 64);
  const batch = { count: 30, sequences: 2, tokens, cuSeqlens: Int32Array.of(0, 13, 30) };
  const step = { lr: 1e-3, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0, maxGradNorm: 1 };
  const calls = [];
  for (let i = 0; i < 3; i++) {
    const forward = model.forward({ ...batch, logp: new Float32Array(30), keep: true }, flag());
    const dlogp = new Float32Array(30).fill(-1);
    calls.push(forward, model.backward({ count: 30, dlogp }, flag()), model.step(step, flag()));
  }
  await Promise.all(calls);
}

function worker(mode) {
  return new Worker(fileURLToPath(import.meta.url), { workerData: mode });
}

async function workers() {
  const endings = [...Array(6)].map((_, i) => {
    const one = worker('finish');
    return new Promise((resolve, reject) => {
      one.on('error', reject);
      one.on('exit', (code) => resolve(`${i}: ${code}`));
    });
  });
  await tokenLogprobs(64, 3000);
  assert(
    (await Promise.all(endings)).every((end) => end.endsWith(': 0')),
    'workers end well',
  );
}

async function terminated() {
  for (let i = 0; i < 8; i++) {
    const one = worker('endless');
    if (i % 3 !== 0) await new Promise((resolve) => one.once('message', resolve));
    await sleep(i);
    await one.terminate();
  }
}

async function main() {
  let failed = 0;
  const scenes = [pools, besideRunningJobs, cancelled, policy, workers, terminated];
  for (const scene of scenes) {
    try {
      await scene();
      console.log(`ok   ${scene.name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL ${scene.name}: ${error.stack}`);
    }
  }
  console.log(`${scenes.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

async function work() {
  const first = tokenLogprobs(64, 1000, { sharedMemory: true });
  if (workerData === 'endless') {
    longCall();
    parentPort.postMessage('queued');
    for (;;) await tokenLogprobs(8, 500);
  }
  assert((await first)[0] === uniform(1000), 'a worker computes');
}

await (isMainThread ? main() : work());

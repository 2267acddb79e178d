// Interleaved timing: every case runs once per round, so that noise and throttling hit all alike; medians are compared.
import os from 'node:os';

/** cases: {name, run}; gives {name: median seconds}. */
export async function measure(cases, { rounds = 15, warmups = 2 } = {}) {
  const times = Object.fromEntries(cases.map(({ name }) => [name, []]));
  for (let round = -warmups; round < rounds; round++) {
    for (const { name, run } of cases) {
      const started = process.hrtime.bigint();
      await run();
      const seconds = Number(process.hrtime.bigint() - started) / 1e9;
      if (round >= 0) times[name].push(seconds);
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, list]) => [name, median(list)]));
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function machine() {
  const memory = `${Math.round(os.totalmem() / 2 ** 30)} GiB`;
  return { cpu: os.cpus()[0]?.model, cores: os.availableParallelism(), memory, node: process.version };
}

// What this machine can do: memory and exponentials by bench/native, matrix products and exponentials by the peers.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
/** The peers that measure products and exponentials of their own. */
const PYTHON_PEERS = /^(NumPy|PyTorch)/;
const build = path.join(root, 'build', 'bench-native');

function run(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (error || status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
  return stdout;
}

export function buildCeilings() {
  run('cmake', ['-S', path.join(root, 'bench', 'native'), '-B', build]);
  run('cmake', ['--build', build]);
}

/** [{threads, pages4KiB, pages2MiB, exp, ...}], one entry per number of threads. */
export function nativeCeilings(threads, { mebibytes, passes }) {
  return JSON.parse(run(path.join(build, 'ceilings'), [mebibytes, passes, ...threads].map(String)));
}

/** Rates of the peers' own kernels at each number of threads: {name: {f32, bf16?, exp}}. */
export async function peerCeilings(peers, threads, size) {
  const rates = [];
  for (const count of threads) {
    const entry = {};
    for (const peer of peers) {
      if (peer.ended || !PYTHON_PEERS.test(peer.name)) continue;
      await peer.ask('threads', { threads: count });
      entry[peer.name] = await peer.ask('ceilings', { size });
    }
    rates.push(entry);
  }
  return rates;
}

const RATES = ['read', 'write', 'copy', 'firstTouch', 'hugeShare'];
const best = (values) => Math.max(0, ...values.filter((value) => Number.isFinite(value)));

/**
 * The best of everything measured in this run at one number of threads, in units per second. `results` add the
 * products that an operation itself reached, by anyone: no ceiling may lie below what was seen.
 */
export function ceilingOf(samples, peerSamples, results) {
  const pagesOf = (kind) =>
    Object.fromEntries(RATES.map((rate) => [rate, best(samples.map((sample) => sample[kind][rate]))]));
  const memory = { pages4KiB: pagesOf('pages4KiB'), pages2MiB: pagesOf('pages2MiB') };
  const both = Object.values(memory);
  const peers = peerSamples.flatMap((entry) => Object.values(entry));
  const reached = results.flatMap(({ work, ours, peers: others }) =>
    [...ours, ...others].map(({ seconds }) => (work.flops ?? 0) / seconds),
  );
  const products = { f32: best(peers.map(({ f32 }) => f32)), bf16: best(peers.map(({ bf16 }) => bf16)) };
  const read = best(both.map((rates) => rates.read));
  return {
    ...{ memory, products, multiplyAdd: best(samples.map(({ multiplyAdd }) => multiplyAdd)) },
    read,
    readAndWrite: best([read, ...both.map((rates) => rates.copy)]),
    exps: best([...samples.map(({ exp }) => exp), ...peers.map(({ exp }) => exp)]),
    flops: best([products.f32, products.bf16, ...reached]),
  };
}

/** The least seconds in which `work` can be done. */
export function floorSeconds({ read = 0, write = 0, exps = 0, flops = 0 }, ceiling) {
  const traffic = (read + write) / (write > 0 ? ceiling.readAndWrite : ceiling.read);
  return Math.max(traffic, exps / ceiling.exps, flops > 0 ? flops / ceiling.flops : 0);
}

// The child's side of the protocol: one JSON request a line on stdin, one JSON answer a line on stdout.
//   load {dataset}             -> {operations: {name: [variant]}}
//   threads {threads}          -> {}
//   run {operation, variant}   -> {seconds}
//   check {operation, variant} -> {files: {output: file}, bytes, seconds}: runs once, writes a sample of each output as f32,
//                                 and gives the peak memory above the inputs
//   version                    -> {version}
//   pages                      -> {resident, huge}: bytes of this process, and those in 2 MiB pages
// A variant is {run, restore?, holds?}: `run` returns its outputs or a promise of them; `restore` undoes work in place, untimed; `holds`
// lists the arrays it writes to that were made beforehand, so that they count as memory of the operation.
import { closeSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';

/** Fills a typed array from a file of the dataset. */
export function readInto(array, folder, name) {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const file = openSync(path.join(folder, `${name}.bin`), 'r');
  const step = 1 << 26;
  for (let at = 0; at < bytes.length; ) {
    const count = readSync(file, bytes, at, Math.min(step, bytes.length - at), at);
    if (count === 0) throw new Error(`${name}.bin ends after ${at} of ${bytes.length} bytes`);
    at += count;
  }
  closeSync(file);
  return array;
}

const SAMPLE = 2 ** 18;

/** Large outputs: the first 2^18 elements, and 2^18 more spread evenly. serve.py takes the same. */
function sampleOf(values) {
  const element = values instanceof Uint16Array ? (i) => fromBf16(values[i]) : (i) => values[i];
  if (values.length <= 2 * SAMPLE) return Float32Array.from(values, (_, i) => element(i));
  const step = Math.floor(values.length / SAMPLE);
  return Float32Array.from({ length: 2 * SAMPLE }, (_, i) => element(i < SAMPLE ? i : (i - SAMPLE) * step));
}

const bits = new Uint32Array(1);
const number = new Float32Array(bits.buffer);
function fromBf16(pattern) {
  bits[0] = pattern << 16;
  return number[0];
}

function status(field) {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return 1024 * Number(match?.[1] ?? 0);
}

/** Peak of the resident memory during `run`, above where it began (Linux; elsewhere null). */
async function peakBytes(run) {
  try {
    writeFileSync('/proc/self/clear_refs', '5'); // resets VmHWM
  } catch {
    return [await run(), null];
  }
  const before = status('VmRSS');
  const result = await run();
  return [result, Math.max(0, status('VmHWM') - before)];
}

function pages() {
  let huge = 0;
  try {
    for (const [, kib] of readFileSync('/proc/self/smaps', 'utf8').matchAll(/^AnonHugePages:\s+(\d+) kB/gm)) {
      huge += 1024 * Number(kib);
    }
    return { resident: status('VmRSS'), huge };
  } catch {
    return null;
  }
}

async function timed(variant) {
  const started = process.hrtime.bigint();
  await variant.run();
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  variant.restore?.();
  return { seconds };
}

async function checked(variant, folder, prefix) {
  const held = variant.holds ?? [];
  for (const array of held) array.fill(0); // touched, so that they are counted here alone
  const started = performance.now();
  const [outputs, peak] = await peakBytes(() => variant.run());
  const seconds = (performance.now() - started) / 1e3;
  const files = {};
  for (const [name, values] of Object.entries(outputs)) {
    files[name] = path.join(folder, `${prefix}-${name}.out`);
    writeFileSync(files[name], new Uint8Array(sampleOf(values).buffer));
  }
  variant.restore?.();
  const heldBytes = held.reduce((sum, array) => sum + array.byteLength, 0);
  return { files, seconds, bytes: peak === null ? null : peak + heldBytes };
}

/** Serves `loaders` ({family: dataset => {operation: {variant: {run, ...}}}}) until stdin ends. */
export async function serve({ loaders, setThreads, version }) {
  let operations = {};
  let folder = '';
  const handlers = {
    load({ dataset }) {
      operations = {};
      globalThis.gc?.();
      folder = dataset.folder;
      operations = loaders[dataset.family]?.(dataset) ?? {};
      const names = Object.entries(operations).map(([name, variants]) => [name, Object.keys(variants)]);
      return { operations: Object.fromEntries(names) };
    },
    threads({ threads }) {
      setThreads?.(threads);
      return {};
    },
    run: ({ operation, variant }) => timed(operations[operation][variant]),
    check: ({ operation, variant, prefix }) => checked(operations[operation][variant], folder, prefix),
    pages: () => pages() ?? {},
    version: () => ({ version }),
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const { command, ...rest } = JSON.parse(line);
    let answer;
    try {
      answer = await handlers[command](rest);
    } catch (error) {
      answer = { error: error.message };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

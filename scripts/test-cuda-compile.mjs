// Compiles every kernel with nvcc for every target, reads what ptxas says of each, and loads the object: it must name
// its reason where there is no device. A kernel that spills registers is a failure. `--write` records the figures in
// docs/ptxas.md. Prints "N passed, N failed"; skipped where nvcc is not installed.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { has, run, skip } from './sanitizer.mjs';

if (!has('nvcc')) skip('nvcc is not installed');
if (!has('cmake')) skip('cmake is not installed');
const folder = 'build/cuda';
// What ptxas says is said at compilation only.
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
run('cmake', ['-S', '.', '-B', folder, '-DCMAKE_BUILD_TYPE=Release', '-DLAPIDARY_PTXAS_REPORT=ON']);
const built = spawnSync(
  'cmake',
  ['--build', folder, '--parallel', String(os.availableParallelism()), '--target', 'lapidary_cuda'],
  {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  },
);
const said = `${built.stdout}${built.stderr}`;
if (built.status !== 0) {
  console.log(said.slice(-5000));
  console.log('0 passed, 1 failed');
  process.exit(1);
}

/** One entry per kernel and target: name, registers, stack, spill bytes. */
function kernelsOf(text) {
  const kernels = [];
  for (const part of text.split('Compiling entry function ').slice(1)) {
    const [, mangled, target] = /^'([^']+)' for '([^']+)'/.exec(part);
    const [, stack, stores, loads] =
      /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(part);
    const registers = Number(/Used (\d+) registers/.exec(part)[1]);
    kernels.push({ mangled, target, registers, stack: Number(stack), spill: Number(stores) + Number(loads) });
  }
  return kernels;
}

function demangle(names) {
  const { stdout, status } = spawnSync('c++filt', [], { input: names.join('\n'), encoding: 'utf8' });
  return status === 0 ? stdout.split('\n') : names;
}

const kernels = kernelsOf(said);
const names = demangle(kernels.map(({ mangled }) => mangled));
let failed = 0;
for (const [i, kernel] of kernels.entries()) {
  const full = names[i].replaceAll('lapidary::cuda::', '').replaceAll('(anonymous namespace)::', '');
  kernel.name = /^(?:void )?(\w+)/.exec(full)[1];
  if (kernel.spill === 0) continue;
  failed += 1;
  console.log(`FAILED ${full} for ${kernel.target} spills ${kernel.spill} bytes`);
}

// What ptxas says where it gives up on the overlap that a kernel was written for.
for (const [line] of said.matchAll(/^.*(wgmma.*serialized|setmaxnreg.*ignored).*$/gim)) {
  failed += 1;
  console.log(`FAILED ${line.trim()}`);
}

// The object by itself: no driver, no device, or a device; never a crash.
const object = readdirSync(folder).find((name) => /^lapidary_cuda\.(so|dll|dylib)$/.test(name));
const probe = `import ctypes
library = ctypes.CDLL(${JSON.stringify(path.resolve(folder, object))})
reason = ctypes.c_char_p()
count = library.lap_cuda_device_count(ctypes.byref(reason))
print(count, reason.value.decode())
assert count > 0 or reason.value, "no device, and no reason"`;
const loaded = spawnSync('python3', ['-c', probe], { encoding: 'utf8' });
if (loaded.status !== 0) {
  failed += 1;
  console.log(`FAILED the object could not be loaded and asked: ${loaded.stderr.trim().split('\n').at(-1)}`);
} else {
  console.log(`devices: ${loaded.stdout.trim()}`);
}

/** The most registers and stack of a kernel's instances, by target. */
function table() {
  const rows = new Map();
  for (const { name, target, registers, stack, spill } of kernels) {
    const key = `${name} | ${target}`;
    const row = rows.get(key) ?? { instances: 0, registers: 0, stack: 0, spill: 0 };
    row.instances += 1;
    row.registers = Math.max(row.registers, registers);
    row.stack = Math.max(row.stack, stack);
    row.spill += spill;
    rows.set(key, row);
  }
  return [...rows]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, row]) => `| ${key} | ${row.instances} | ${row.registers} | ${row.stack} | ${row.spill} |`);
}

if (process.argv.includes('--write')) {
  const version = /release ([^,]+), V(\S+)/.exec(
    spawnSync('nvcc', ['--version'], { encoding: 'utf8' }).stdout,
  );
  const lines = [
    '# What ptxas says of the kernels',
    '',
    `Written by \`node scripts/test-cuda-compile.mjs --write\` with nvcc ${version[2]}: for each kernel and target the`,
    'number of instances (element types, options), and the most registers, stack bytes and bytes spilled among them.',
    'CI compiles all of them where nvcc is found; a spill is a failure there.',
    '',
    '| kernel | target | instances | registers | stack | spilled |',
    '| --- | --- | --- | --- | --- | --- |',
    ...table(),
  ];
  writeFileSync('docs/ptxas.md', `${lines.join('\n')}\n`);
}
console.log(`${kernels.length} kernels compiled`);
console.log(`${kernels.length + 1 - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

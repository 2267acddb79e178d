// Runs what is meant for a machine with a GPU (bench/gpu) on the kernels compiled for the host: every check of its
// suite at small shapes, and the timing part, whose figures mean nothing here. Needs the Python environment that
// `npm run test:parity` makes; without it the suite is skipped with that reason. Then the addon, packed for such a
// machine, after npm ci and npm run build. Prints "N passed, N failed".
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { has, skip } from './sanitizer.mjs';

const python = path.resolve('build/python/bin/python');
if (!existsSync('build/python/installed')) {
  skip('there is no PyTorch in build/python; npm run test:parity installs it');
}
for (const tool of ['cmake', 'bash', 'cc']) if (!has(tool)) skip(`${tool} is not installed`);

// That machine has no Node: here one stands first in the path that only leaves a trace.
const stub = path.resolve('build/no-node');
const trace = path.join(stub, 'was-called');
rmSync(stub, { recursive: true, force: true });
mkdirSync(stub, { recursive: true });
for (const name of ['node', 'npm', 'npx']) {
  writeFileSync(path.join(stub, name), `#!/bin/sh\necho "${name} $*" >>"${trace}"\nexit 1\n`);
  chmodSync(path.join(stub, name), 0o755);
}

function dryRun(args, environment = {}) {
  const env = { ...process.env, PATH: `${stub}:${process.env.PATH}`, PYTHON: python, ...environment };
  const options = { env, encoding: 'utf8', maxBuffer: 1 << 28 };
  const { status, stdout, stderr } = spawnSync('bench/gpu/run.sh', ['--dry-run', ...args], options);
  const lines = stdout.trimEnd().split('\n');
  const counts = /^(\d+) passed, (\d+) failed$/.exec(lines.at(-1) ?? '');
  return { status, text: `${stdout}${stderr}`, lines, counts };
}

let passed = 0;
let failed = 0;
function expect(ok, what, text = '') {
  passed += ok ? 1 : 0;
  failed += ok ? 0 : 1;
  if (!ok) console.log(`FAILED ${what}\n${text}`);
}

rmSync('build/gpu-dry/found', { recursive: true, force: true });
const run = dryRun(['--seconds', '3000']);
passed += Number(run.counts?.[1] ?? 0);
failed += Number(run.counts?.[2] ?? 1);
for (const line of run.lines.filter((each) => each.startsWith('FAILED'))) console.log(line);
expect(run.status === 0, `the dry run ends with ${run.status}`, run.text.slice(-6000));
const table = run.lines.slice(run.lines.findIndex((line) => line.startsWith('DRY RUN')));
expect(table.length > 20 && table.length < 60, `its table has ${table.length} lines, of at most 60`);
expect(
  !existsSync('build/gpu-dry/out/results.json'),
  'figures of a dry run are written where results would be',
);
for (const part of ['ceilings', 'time']) {
  const file = `build/gpu-dry/found/${part}.json`;
  const marked = existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).measurement === false;
  expect(marked, `${file} does not say that it is no measurement`);
}
expect(!existsSync(trace), 'Node was called', existsSync(trace) ? readFileSync(trace, 'utf8') : '');

// It must be able to fail: without a device every family has to.
const without = dryRun(['tests', '--seconds', '3000'], { LAPIDARY_SIMT_DEVICES: '0' });
expect(
  without.status === 1,
  `without a device it ends with ${without.status}, not 1`,
  without.text.slice(-2000),
);
expect(/no CUDA-capable device/.test(without.text), 'without a device it does not say so', without.text);

// The archive for a machine without Node: packed, unpacked in an empty folder and run, on the same object.
const archive = 'build/gpu-addon.tar.xz';
function shell(script, args) {
  const options = { env: { ...process.env, PYTHON: python }, encoding: 'utf8' };
  const { status, stdout, stderr } = spawnSync(`bench/gpu/${script}`, args, options);
  return { status, text: `${stdout}${stderr}`, counts: /^(\d+) passed, (\d+) failed$/m.exec(stdout) };
}
const packed = shell('pack.sh', [archive]);
expect(packed.status === 0, `pack.sh ends with ${packed.status}`, packed.text);
if (packed.status === 0) {
  const ran = shell('addon.sh', [archive, 'build/gpu-dry/native/simt/lapidary_cuda_simt.so']);
  passed += Number(ran.counts?.[1] ?? 0);
  failed += Number(ran.counts?.[2] ?? 0);
  expect(ran.status === 0, `addon.sh ends with ${ran.status}`, ran.text.slice(-3000));
}

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

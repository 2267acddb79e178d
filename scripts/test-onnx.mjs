// Checks the SaT segmenter and the tokenizers on the real packages onnxruntime-node and tokenizers, with a tiny ONNX
// model and tokenizer that the tests write themselves (test/onnx). Installs both into build/onnx on first use; where
// they cannot be had the tests are skipped with a printed reason. Any further Node may be named to run on as well, e.g.
// one with Float16Array: `node scripts/test-onnx.mjs --node PATH`.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PACKAGES = { 'onnxruntime-node': '1.30.0', tokenizers: '0.23.2' };
const folder = join('build', 'onnx');

function installedVersion(name) {
  const file = join(folder, 'node_modules', name, 'package.json');
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).version : null;
}

function isInstalled() {
  return Object.entries(PACKAGES).every(([name, version]) => installedVersion(name) === version);
}

/** A problem in one line, or null. */
function install() {
  if (isInstalled()) return null;
  mkdirSync(folder, { recursive: true });
  // A package of its own, so that npm does not look for one further up.
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true }));
  const names = Object.entries(PACKAGES).map(([name, version]) => `${name}@${version}`);
  const { status, stderr, error } = spawnSync(
    'npm',
    ['install', '--prefix', folder, '--no-audit', '--no-fund', '--no-package-lock', ...names],
    // The postinstall step fetches GPU libraries; the CPU ones come with the package.
    {
      env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
      encoding: 'utf8',
      shell: process.platform === 'win32',
      timeout: 300_000,
    },
  );
  if (status === 0 && isInstalled()) return null;
  const lines = (stderr ?? '').split('\n').filter((line) => /npm error|ERR!/.test(line));
  return error?.message ?? lines[0] ?? `npm ended with status ${status}`;
}

/** Runs the suite on a Node; gives its counts, a suite that ended without any as one failure. */
function runOn(node) {
  const { status, stdout, error } = spawnSync(
    node,
    ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/onnx/vitest.config.ts'],
    { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8', maxBuffer: 1 << 26 },
  );
  const found = /^(\d+) passed, (\d+) failed, (\d+) skipped$/m.exec(stdout ?? '');
  process.stdout.write((stdout ?? '').replace(/^\d+ passed, \d+ failed.*$/m, ''));
  if (error) console.log(`${node}: ${error.message}`);
  if (found === null) return { passed: 0, failed: 1 };
  const [passed, failed, skipped] = found.slice(1).map(Number);
  // A suite that is cut short or skips has not passed.
  return { passed, failed: status === 0 && skipped === 0 ? failed : Math.max(1, failed) };
}

const problem = install();
if (problem !== null) {
  console.log(`onnxruntime-node and tokenizers cannot be installed, so nothing was tested: ${problem}`);
  console.log('0 passed, 0 failed, 1 skipped');
  process.exit(0);
}
const others = process.argv.flatMap((argument, i) =>
  argument === '--node' ? [process.argv[i + 1] ?? ''] : [],
);
const total = { passed: 0, failed: 0 };
for (const node of [process.execPath, ...others]) {
  const { passed, failed } = runOn(node);
  total.passed += passed;
  total.failed += failed;
}
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed === 0 ? 0 : 1);

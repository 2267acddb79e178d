// libFuzzer on the argument checks of the C ABI, under AddressSanitizer and UndefinedBehaviorSanitizer. Each
// native/fuzz/*.cc is a target; each runs `--seconds N` (default 60), all of them two at a time, from no corpus
// and a random seed that is printed. Prints "N passed, N failed".
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { has, skip } from './sanitizer.mjs';

const { seconds } = parseArgs({ options: { seconds: { type: 'string', default: '60' } } }).values;
const compiler = ['clang++', 'clang++-14', 'clang++-15', 'clang++-16', 'clang++-19'].find(has);
if (compiler === undefined) skip('clang++ is not installed (Debian: clang-14 and libclang-rt-14-dev)');
if (!has('make')) skip('make is not installed');

// Enumerations are loaded with any value on purpose; without -fstrict-enums that is defined by the compilers.
const FLAGS = [
  '-std=c++20',
  '-g',
  '-O1',
  '-Wno-psabi',
  '-fno-omit-frame-pointer',
  '-ffp-contract=off',
  '-Inative',
  '-Inative/include',
];
const SANITIZE = [
  '-fsanitize=fuzzer-no-link,address,undefined',
  '-fno-sanitize=enum',
  '-fno-sanitize-recover=undefined',
];
const folder = path.join('build', 'fuzz');

/** The core library and the targets, compiled in parallel by a makefile of one rule. */
function build(targets) {
  mkdirSync(folder, { recursive: true });
  const probe = path.join(folder, 'probe');
  const args = ['-x', 'c++', '-', '-fsanitize=fuzzer,address', '-o', probe];
  const input = 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }\n';
  if (spawnSync(compiler, args, { input }).status !== 0)
    skip(`${compiler} has no libFuzzer run-time library`);
  const listed = spawnSync(process.execPath, ['native/sources.mjs', 'core'], { encoding: 'utf8' }).stdout;
  const core = listed.trim().split('\n');
  const goals = targets.map((name) => `target/${name}`);
  const rules = [
    `CORE := ${core.map((file) => `${folder}/${file}.o`).join(' ')}`,
    `all: ${goals.map((goal) => `${folder}/${goal}`).join(' ')}`,
    `${folder}/%.o: %\n\t@mkdir -p $(@D)\n\t${compiler} ${FLAGS.join(' ')} ${SANITIZE.join(' ')} -MMD -c $< -o $@`,
    `${folder}/target/%: ${folder}/native/fuzz/%.cc.o $(CORE)\n\t@mkdir -p $(@D)\n\t${compiler} -fsanitize=fuzzer,address,undefined $^ -o $@`,
    `-include $(wildcard ${folder}/native/*/*.d)`,
    '.SECONDARY:',
  ];
  const made = spawnSync('make', ['-s', '-f', '-', `-j${os.availableParallelism()}`, 'all'], {
    input: `${rules.join('\n')}\n`,
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  if (made.status !== 0) process.exit(1);
}

function fuzz(name) {
  const seed = 1 + Math.floor(Math.random() * 2 ** 31);
  const limits = [
    `-max_total_time=${seconds}`,
    `-seed=${seed}`,
    '-max_len=2048',
    '-timeout=20',
    '-rss_limit_mb=2048',
  ];
  const artifacts = `-artifact_prefix=${folder}/${name}-`;
  return new Promise((resolve) => {
    const child = spawn(path.join(folder, 'target', name), [...limits, artifacts, '-print_final_stats=1']);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
    child.on('close', (code) => {
      const runs = /number_of_executed_units: (\d+)/.exec(output)?.[1] ?? '?';
      const coverage = /.* cov: (\d+)/s.exec(output)?.[1] ?? '?';
      console.log(`${code === 0 ? 'ok  ' : 'FAIL'} ${name}: ${runs} inputs, ${coverage} edges, seed ${seed}`);
      if (code !== 0) console.log(output.slice(-6000));
      resolve(code === 0);
    });
  });
}

const targets = readdirSync('native/fuzz')
  .filter((name) => name.endsWith('.cc'))
  .map((name) => name.slice(0, -3));
build(targets);
const results = [];
const waiting = [...targets];
const lane = async () => {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) results.push(await fuzz(name));
};
await Promise.all([lane(), lane()]);
const failed = results.filter((ok) => !ok).length;
console.log(`${results.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

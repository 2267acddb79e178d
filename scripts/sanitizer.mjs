// What the sanitizer suites share: a build of the addon and of the native tests with g++'s instrumentation, in a
// folder of its own beside build/Release, and the run-time library that stock Node must preload to host it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';

/** Says why nothing was tested, and ends well: a missing tool is no finding. */
export function skip(reason) {
  console.log(`skipped: ${reason}`);
  console.log('0 passed, 0 failed, 1 skipped');
  process.exit(0);
}

export function has(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Runs a command to its end with its output shown; ends this process where it fails. */
export function run(command, args, environment = {}) {
  const env = { ...process.env, ...environment };
  const { status, signal, error } = spawnSync(command, args, { stdio: 'inherit', env });
  if (error) throw error;
  if (status === 0) return;
  console.log(`${path.basename(command)} ${args[0] ?? ''} ended with ${signal ?? `status ${status}`}`);
  process.exit(status || 1);
}

/** Paths of g++'s run-time libraries, for LD_PRELOAD. */
export function runtimes(names) {
  if (process.platform !== 'linux') skip('the sanitizers are preloaded, which is done on Linux only here');
  for (const tool of ['g++', 'cmake']) if (!has(tool)) skip(`${tool} is not installed`);
  const found = names.map((name) =>
    spawnSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout.trim(),
  );
  const missing = names.filter((_, i) => !path.isAbsolute(found[i]));
  if (missing.length > 0) skip(`g++ has no ${missing.join(', ')}`);
  return found.join(' ');
}

/** Builds addon and native tests in build/NAME, or the targets named; returns that folder. */
export function build(name, flags, targets = ['all']) {
  const nodeHeaders = path.resolve(process.execPath, '..', '..', 'include', 'node');
  if (!existsSync(path.join(nodeHeaders, 'node_api.h'))) skip(`Node's headers are not in ${nodeHeaders}`);
  const { include_dir: wrapper } = createRequire(import.meta.url)('node-addon-api');
  const folder = path.join('build', name);
  const all = ['-g', '-fno-omit-frame-pointer', ...flags].join(' ');
  run('cmake', [
    ...['-S', '.', '-B', folder, '-DCMAKE_C_COMPILER=gcc', '-DCMAKE_CXX_COMPILER=g++'],
    ...['-DCMAKE_BUILD_TYPE=Sanitizer', `-DCMAKE_C_FLAGS=${all}`, `-DCMAKE_CXX_FLAGS=${all}`],
    ...[
      `-DCMAKE_JS_INC=${nodeHeaders};${path.resolve(wrapper)}`,
      '-DLAPIDARY_TESTS=ON',
      '-DLAPIDARY_CUDA=OFF',
    ],
  ]);
  const parallel = ['--parallel', String(os.availableParallelism())];
  run('cmake', ['--build', folder, ...parallel, '--target', ...targets]);
  return path.resolve(folder);
}

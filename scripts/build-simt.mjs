// Builds the CUDA object for the host: the kernel sources over native/simt in place of nvcc and a device, as
// build-simt/lapidary_cuda.so, which the tests load where an installation would have the real one. Needs a C++20
// compiler alone. Only what has changed is compiled again. Further arguments are flags of the compiler and the linker
// (the sanitizers'), `--out FOLDER` another place.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const given = process.argv.slice(2);
const at = given.indexOf('--out');
const folder = path.resolve(root, at < 0 ? 'build-simt' : given.splice(at, 2)[1]);
const [compiler, ...prefix] = (process.env.CXX || (process.platform === 'darwin' ? 'c++' : 'g++')).split(' ');
const flags = [
  ...['-std=c++20', '-O1', '-fPIC', '-fvisibility=hidden', '-ffp-contract=off', '-pthread'],
  // Of the host's compiler, about pragmas and types that are the device's.
  ...['-Wno-unknown-pragmas', '-Wno-psabi', '-Inative/simt', '-Inative', '-Inative/include', ...given],
];

function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', reject);
    child.on('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command} ${args.at(-1)} failed`)),
    );
  });
}

async function sources() {
  const listed = await new Promise((resolve, reject) => {
    let text = '';
    const child = spawn(process.execPath, ['native/sources.mjs', 'cuda'], { cwd: root });
    child.stdout.on('data', (part) => {
      text += part;
    });
    child.on('exit', (code) => (code === 0 ? resolve(text) : reject(new Error('no list of sources'))));
  });
  const shim = readdirSync(path.join(root, 'native/simt')).filter((name) => name.endsWith('.cc'));
  return [...listed.trim().split('\n'), ...shim.map((name) => `native/simt/${name}`)];
}

/** What an object was made from, as its compiler wrote it down: its own source and every header. */
function prerequisites(dependencies) {
  const text = readFileSync(dependencies, 'utf8').replaceAll('\\\n', ' ');
  return text
    .slice(text.indexOf(': ') + 2)
    .trim()
    .split(/\s+/);
}

function isCurrent(object, dependencies) {
  if (!existsSync(object) || !existsSync(dependencies)) return false;
  const made = statSync(object).mtimeMs;
  return prerequisites(dependencies).every((file) => {
    const found = statSync(path.resolve(root, file), { throwIfNoEntry: false });
    return found !== undefined && found.mtimeMs <= made;
  });
}

/** Objects of other flags or another compiler are not these. */
const tag = createHash('sha256')
  .update([compiler, ...prefix, ...flags].join(' '))
  .digest('hex')
  .slice(0, 8);
const objects = path.join(folder, tag);
mkdirSync(objects, { recursive: true });

const jobs = (await sources()).map((source) => {
  const object = path.join(objects, `${source.replaceAll('/', '_')}.o`);
  return { source, object, dependencies: `${object}.d` };
});
const stale = jobs.filter(({ object, dependencies }) => !isCurrent(object, dependencies));
const waiting = [...stale];
async function compileInTurn() {
  for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
    const output = ['-MMD', '-MF', job.dependencies, '-o', job.object];
    await run(compiler, [...prefix, ...flags, ...output, '-x', 'c++', '-c', job.source]);
  }
}

const library = path.join(folder, 'lapidary_cuda.so');
const stamp = path.join(folder, 'tag');
const linked = existsSync(library) && existsSync(stamp) && readFileSync(stamp, 'utf8') === tag;
try {
  await Promise.all(Array.from({ length: os.availableParallelism() }, compileInTurn));
  const newest = Math.max(...jobs.map(({ object }) => statSync(object).mtimeMs));
  if (stale.length > 0 || !linked || statSync(library).mtimeMs < newest) {
    const all = jobs.map(({ object }) => object);
    await run(compiler, [...prefix, '-shared', '-pthread', ...given, '-o', library, ...all]);
    writeFileSync(stamp, tag);
  }
} catch (error) {
  console.error(`the CUDA object for the host could not be built: ${error.message}`);
  process.exit(1);
}

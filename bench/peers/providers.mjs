// Which providers this machine has. The library comes first; each peer is left out where it is not installed.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Provider } from './process.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
export const PYTHON = path.join(here, '..', '.venv', 'bin', 'python');

// A heap that is kept between calls and lies in 2 MiB pages. Without it each large temporary is mapped, cleared and
// unmapped again, which costs PyTorch most of its time at these sizes.
const KEPT_HEAP = {
  MALLOC_MMAP_MAX_: '0',
  MALLOC_TRIM_THRESHOLD_: String(2 ** 40),
  MALLOC_TOP_PAD_: String(2 ** 26),
  GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
  THP_MEM_ALLOC_ENABLE: '1',
};

const node = (name, folder) =>
  new Provider(name, process.execPath, ['--expose-gc', path.join(here, folder, 'main.mjs')]);
const python = (name, script, env) => new Provider(name, PYTHON, [path.join(here, 'python', script)], env);

/** Starts all providers; `only` limits the peers by name, `quick` leaves out what must be compiled first. */
export async function startProviders(only, quick) {
  if (quick) process.env.LAPIDARY_BENCH_QUICK = '1';
  const library = node('Lapidary', 'lapidary');
  const wanted = (name) => only === null || only.includes(name);
  const peers = [];
  if (wanted('JavaScript')) peers.push(node('JavaScript', 'javascript'));
  if (existsSync(path.join(here, 'onnx', 'node_modules'))) {
    if (wanted('ONNX Runtime')) peers.push(node('ONNX Runtime', 'onnx'));
  }
  if (existsSync(PYTHON)) {
    if (wanted('NumPy')) peers.push(python('NumPy', 'numpy_main.py'));
    if (wanted('PyTorch')) peers.push(python('PyTorch', 'torch_main.py'));
    if (wanted('PyTorch, kept heap')) peers.push(python('PyTorch, kept heap', 'torch_main.py', KEPT_HEAP));
  } else {
    console.error('No NumPy and PyTorch: run "npm run bench:install" to have them as peers.');
  }
  const versions = {};
  for (const peer of peers) {
    const { version } = await peer.ask('version');
    if (version && !peer.name.includes(',')) versions[peer.name] = version;
  }
  return { library, peers, versions };
}

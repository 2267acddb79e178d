// The only list of native sources. binding.gyp and CMakeLists.txt both run this file and read its output:
// `node native/sources.mjs core|node|addon|cuda` prints one path a line, relative to the repository root.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(fileURLToPath(import.meta.url));
const LAYERS = {
  core: ['core', 'objective', 'cpu', 'policy', 'capi'],
  node: ['node'],
  addon: ['core', 'objective', 'cpu', 'policy', 'capi', 'node'],
  cuda: ['cuda', 'capi/cuda'],
};
/** Of the C ABI's checks, which the CUDA object has a copy of. */
const SHARED = {
  cuda: ['native/capi/checks.cc', 'native/capi/objective_checks.cc', 'native/capi/batch_checks.cc'],
};
const layers = LAYERS[process.argv[2]];
if (!layers) throw new Error(`usage: sources.mjs ${Object.keys(LAYERS).join('|')}`);
for (const layer of layers) {
  for (const name of readdirSync(path.join(root, layer)).sort()) {
    if (/\.(cc|cu)$/.test(name)) console.log(`native/${layer}/${name}`);
  }
}
for (const file of SHARED[process.argv[2]] ?? []) console.log(file);

// The only list of native sources. binding.gyp and CMakeLists.txt both run this file and read its output:
// `node native/sources.mjs core|node|addon` prints one path a line, relative to the repository root.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(fileURLToPath(import.meta.url));
const LAYERS = {
  core: ['core', 'objective', 'cpu', 'policy', 'capi'],
  node: ['node'],
  addon: ['core', 'objective', 'cpu', 'policy', 'capi', 'node'],
};
const layers = LAYERS[process.argv[2]];
if (!layers) throw new Error(`usage: sources.mjs ${Object.keys(LAYERS).join('|')}`);
for (const layer of layers) {
  for (const name of readdirSync(path.join(root, layer)).sort()) {
    if (name.endsWith('.cc')) console.log(`native/${layer}/${name}`);
  }
}

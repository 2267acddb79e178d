// The native sources of a layer (layers.json) for binding.gyp: `node native/sources.mjs core|node|addon|cuda` prints one
// path a line, relative to the repository root. CMake, which must do without Node, lists the same by sources.cmake; a
// test holds the two equal.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(fileURLToPath(import.meta.url));
const layers = JSON.parse(readFileSync(path.join(root, 'layers.json'), 'utf8'));
const layer = layers[process.argv[2]];
if (!layer) throw new Error(`usage: sources.mjs ${Object.keys(layers).join('|')}`);
for (const folder of layer.folders) {
  for (const name of readdirSync(path.join(root, folder)).sort()) {
    if (/\.(cc|cu)$/.test(name)) console.log(`native/${folder}/${name}`);
  }
}
for (const file of layer.files) console.log(`native/${file}`);

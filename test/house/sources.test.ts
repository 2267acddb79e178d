import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const layers = Object.keys(JSON.parse(readFileSync('native/layers.json', 'utf8')));
const cmake = spawnSync('cmake', ['--version']).status === 0;
if (!cmake) console.log("CMake's list of sources is not compared: cmake is not installed");

const byNode = (layer: string) =>
  execFileSync('node', ['native/sources.mjs', layer], { encoding: 'utf8' }).trim().split('\n');

describe('the native sources', () => {
  it.skipIf(!cmake).each(layers)('of %s are the same to CMake and to node-gyp', (layer) => {
    const args = ['-D', `LAYER=${layer}`, '-P', 'native/sources.cmake'];
    expect(execFileSync('cmake', args, { encoding: 'utf8' }).trim().split('\n')).toEqual(byNode(layer));
  });

  it('are all in a layer', () => {
    const listed = new Set(layers.flatMap(byNode));
    const sources = readdirSync('native', { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(cc|cu)$/.test(name) && !/^(test|fuzz|simt)\//.test(name))
      .map((name) => `native/${name}`);
    expect(sources.filter((name) => !listed.has(name))).toEqual([]);
    expect(listed.size).toBe(sources.length);
  });
});

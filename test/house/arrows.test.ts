import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

/** A file of a layer may use its own layer and those before it. */
const NATIVE = ['include', 'core', 'objective', 'simt', 'cpu', 'cuda', 'policy', 'capi', 'node'];
const LIB = [
  ...['errors', 'random', 'kernels', 'data', 'tokenizer', 'verify', 'segment', 'judge', 'label', 'policy'],
  ...['train', 'evaluate', 'tasks', 'run', 'cli'],
];
// Layers that are beside each other although one stands later in the list.
const FORBIDDEN: [string, string][] = [
  ['policy', 'capi'],
  ['cuda', 'cpu'],
  ['cuda', 'simt'],
  ['policy', 'cuda'],
  ['data', 'kernels'],
  ['tokenizer', 'kernels'],
  ['verify', 'kernels'],
  ['segment', 'verify'],
  ['judge', 'kernels'],
  ['label', 'kernels'],
];

function filesOf(root: string, pattern: RegExp): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name))
    .map((name) => name.split(path.sep).join('/'));
}

function breaches(layers: string[], uses: Iterable<{ file: string; from: string; to: string }>): string[] {
  const out: string[] = [];
  for (const { file, from, to } of uses) {
    const [a, b] = [layers.indexOf(from), layers.indexOf(to)];
    const forbidden = FORBIDDEN.some(([user, used]) => user === from && used === to);
    if (a < 0 || b < 0 || b > a || forbidden) out.push(`${file}: ${from} uses ${to}`);
  }
  return out;
}

function* nativeUses() {
  for (const file of filesOf('native', /\.(h|cc|inc|cu|cuh)$/)) {
    const from = file.split('/')[0]!;
    if (from === 'test' || from === 'fuzz') continue;
    for (const [, target] of readFileSync(`native/${file}`, 'utf8').matchAll(/^#include "([^"]+)"/gm)) {
      yield {
        file: `native/${file}`,
        from,
        to: /^lapidary(\.h|\/)/.test(target!) ? 'include' : target!.split('/')[0]!,
      };
    }
  }
}

function* libUses() {
  const layerOf = (file: string) => (file.includes('/') ? file.split('/')[0]! : file.replace(/\.ts$/, ''));
  for (const file of filesOf('lib', /\.ts$/)) {
    if (file === 'index.ts') continue;
    for (const [, target] of readFileSync(`lib/${file}`, 'utf8').matchAll(/from '(\.[^']+)'/g)) {
      const to = path.posix.normalize(path.posix.join(path.posix.dirname(file), target!));
      yield { file: `lib/${file}`, from: layerOf(file), to: layerOf(to) };
    }
  }
}

it('native includes point one way', () => {
  const uses = [...nativeUses()];
  expect(uses.length).toBeGreaterThan(40);
  expect(breaches(NATIVE, uses)).toEqual([]);
});

it('lib imports point one way', () => {
  const uses = [...libUses()];
  expect(uses.length).toBeGreaterThan(60);
  expect(breaches(LIB, uses)).toEqual([]);
});

it('only the setup header includes napi.h, and only native.ts loads the addon', () => {
  const napi = filesOf('native', /\.(h|cc)$/).filter((file) =>
    readFileSync(`native/${file}`, 'utf8').includes('<napi.h>'),
  );
  expect(napi).toEqual(['node/setup.h']);
  const loaders = filesOf('lib', /\.ts$/).filter((file) =>
    readFileSync(`lib/${file}`, 'utf8').includes("'bindings'"),
  );
  expect(loaders).toEqual(['kernels/native.ts']);
});

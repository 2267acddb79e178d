import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { objectives } from '../../lib/kernels/objectives.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

it("the README's example is the file that CI runs", () => {
  expect(read('README.md')).toContain(`\`\`\`js\n${read('examples/loss.mjs')}\`\`\``);
});

it("the README's table of speed is what the results hold", () => {
  const files = ['epyc-2-cores.json', 'epyc-2-cores-linear.json'].map((name) => `bench/results/${name}`);
  const options = { cwd: root, encoding: 'utf8' } as const;
  const table = execFileSync(process.execPath, ['bench/show.mjs', ...files, '--summary'], options);
  expect(read('README.md')).toContain(table);
});

it('docs/objectives.md has a row for every preset, and no other', () => {
  const named = [...read('docs/objectives.md').matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`(\w+)`/g)].map(([, name]) => name),
  );
  expect(named.sort()).toEqual(Object.keys(objectives).sort());
});

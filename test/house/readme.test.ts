import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { objectives } from '../../lib/kernels/objectives.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');

it("the README's example is the file that CI runs", () => {
  expect(read('README.md')).toContain(`\`\`\`js\n${read('examples/loss.mjs')}\`\`\``);
});

it('docs/objectives.md has a row for every preset, and no other', () => {
  const named = [...read('docs/objectives.md').matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`(\w+)`/g)].map(([, name]) => name),
  );
  expect(named.sort()).toEqual(Object.keys(objectives).sort());
});

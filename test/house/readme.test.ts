import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import * as lapidary from '../../lib/index.ts';
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

it('what the pages of the stages call or construct is exported', () => {
  const pages = [
    'data',
    'evaluate',
    'import',
    'judge',
    'judge-llm',
    'label',
    'policy',
    'run',
    'segment',
    'train',
  ];
  /** Methods of an interface, JavaScript's own, and what stands for the reader's code. */
  const others = [
    'judge',
    'judgeBatch',
    'Set',
    'store',
    'equal',
    'terminate',
    'rowsWithoutTokens',
    'judgedRollouts',
  ];
  const unknown = [...pages, 'verify'].flatMap((page) => {
    const text = read(`docs/${page}.md`);
    const blocks = [...text.matchAll(/^```[tj]s\n([\s\S]*?)^```/gm)].map(([, code]) => code!);
    const spans = [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`]+)`/g)].map(([, code]) => code!);
    const names = [...blocks, ...spans].flatMap((code) =>
      [...code.matchAll(/(?<![\w.'"`])([A-Za-z]\w{3,})\((?!\w+: )/g)].map(([, name]) => name!),
    );
    return names
      .filter((name) => !(name in lapidary) && !others.includes(name))
      .map((name) => `${page}: ${name}`);
  });
  expect(unknown).toEqual([]);
});

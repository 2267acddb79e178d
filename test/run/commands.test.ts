import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { readAllJsonl } from '../../lib/data/jsonl.ts';
import { TrainRow } from '../../lib/data/records.ts';
import type { Manifest } from '../../lib/run/run-directory.ts';
import { temporaryFolder } from '../data/temporary-folder.ts';

const place = temporaryFolder();
const PAGE = readFileSync('docs/your-rollouts.md', 'utf8');

/** The page's block in a language. */
function block(language: string): string {
  return new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(PAGE)![1]!;
}

function lapidary(...args: string[]) {
  const cwd = path.dirname(place('x'));
  return spawnSync(process.execPath, [path.resolve('dist/cli/main.js'), ...args], { encoding: 'utf8', cwd });
}

describe('the page "from your rollouts to a labelled set"', () => {
  it('works as it is written', async () => {
    writeFileSync(place('rollouts.jsonl'), block('json'));
    writeFileSync(place('rollouts.toml'), block('toml'));
    const plan = lapidary('plan', 'rollouts.toml');
    expect(plan.stderr).toBe('');
    expect(plan.stdout).toMatch(/judge arithmetic\s+due/);
    expect(existsSync(place('runs'))).toBe(false);
    const label = lapidary('label', 'rollouts.toml', '--json');
    expect(label.status, label.stderr).toBe(0);
    const manifest = JSON.parse(label.stdout) as Manifest & { directory: string };
    const stage = manifest.stages.find(({ kind }) => kind === 'label')!;
    const rows = await readAllJsonl(
      place(path.join(manifest.directory, stage.directory, 'train.jsonl')),
      TrainRow,
    );
    const step = '3 * 4 = 12.\n\n'.length;
    expect(rows[1]!.advantage).toBe(-0.5);
    rows[1]!.token_weight.forEach((weight, t) => {
      expect(weight, `token ${t}`).toBe(t < step ? 0.5 : 1);
    });
    expect(rows[2]!.drop_reason).toBe('flat_group');
    expect(lapidary('show', manifest.directory).stdout).toContain(stage.directory);
    expect(lapidary('plan', 'rollouts.toml').stdout).toMatch(/label NSA, seed 0\s+cached/);
  });

  it('and training without a policy says which section is missing', () => {
    const { status, stderr } = lapidary('train', 'rollouts.toml');
    expect(stderr).toMatch(/\[policy\]: is missing; training needs it/);
    expect(status).toBe(1);
  });
});

describe('a plan of paid judges', () => {
  it('counts calls and money, and makes no call', () => {
    const judge = `[[judges]]\nkind = "llm"\nendpoint = "http://127.0.0.1:9"\nmodel = "m"\ninput_price = 3\noutput_price = 15\n`;
    writeFileSync(
      place('paid.toml'),
      block('toml').replace(/\[\[judges\]\]\nkind = "arithmetic".*\n/, judge),
    );
    const { stdout, stderr } = lapidary('plan', 'paid.toml', '--out', 'elsewhere', '--json');
    expect(stderr).toBe('');
    const { total } = JSON.parse(stdout) as { total: { calls: number; promptTokens: number; usd: number } };
    expect(total.calls).toBe(3);
    expect(total.promptTokens).toBeGreaterThan(3000);
    expect(total.usd).toBeGreaterThan(0);
    expect(existsSync(place('elsewhere'))).toBe(false);
  });

  it('counts the windows of a reward model, whose reply costs nothing', () => {
    const prm = `[[judges]]\nkind = "prm"\nendpoint = "http://127.0.0.1:9"\nmodel = "m"\ninput_price = 1000\n`;
    writeFileSync(place('prm.toml'), block('toml').replace(/\[\[judges\]\]\nkind = "arithmetic".*\n/, prm));
    const { total } = JSON.parse(lapidary('plan', 'prm.toml', '--out', 'elsewhere', '--json').stdout);
    expect(total).toMatchObject({ calls: 3, completionTokens: 0 });
    expect(total.promptTokens).toBeGreaterThan(100);
    expect(total.usd).toBeCloseTo(total.promptTokens / 1000, 9);
  });

  it.each<[string, string]>([
    ['output_price = 15\n', 'judges.0.output_price: is missing: another price is set'],
    [
      'input_price = 3\noutput_price = 15\n',
      'judges.0.input_price: is missing: judge_max_usd cannot be held',
    ],
  ])('without %j is refused before anything is spent', (line, message) => {
    const capped = `judge_max_usd = 1\n${readFileSync(place('paid.toml'), 'utf8').replace(line, '')}`;
    writeFileSync(place('capped.toml'), capped);
    const { status, stderr } = lapidary('judge', 'capped.toml', '--out', 'elsewhere');
    expect(stderr).toContain(message);
    expect(status).toBe(1);
    expect(existsSync(place('elsewhere'))).toBe(false);
  });

  it('and a judge that cannot be reached leaves a run partial, which the exit status tells', () => {
    writeFileSync(
      place('down.toml'),
      readFileSync(place('paid.toml'), 'utf8').replace('model = "m"', 'model = "m"\nmax_attempts = 1'),
    );
    const { status, stderr } = lapidary('judge', 'down.toml', '--out', 'down');
    expect(stderr).toMatch(/part of the work is missing/);
    expect(status).toBe(3);
    const manifest = JSON.parse(readFileSync(place('down/manifest.json'), 'utf8')) as Manifest;
    expect(manifest.status).toBe('partial');
    const judged = manifest.stages.find(({ kind }) => kind === 'judge')!;
    expect(judged.counts).toMatchObject({ failed_responses: 3, right: 0, wrong: 0 });
  });
});

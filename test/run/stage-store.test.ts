import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeFileAtomic } from '../../lib/data/write-atomic.ts';
import { PlanStore } from '../../lib/run/plan-store.ts';
import type { Handle, StageSpec } from '../../lib/run/stage.ts';
import { StageStore } from '../../lib/run/stage-store.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'lapidary-stages-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const done: string[] = [];
const store = () =>
  new StageStore({
    root,
    onDone: async ({ title }, _directory, cached) => void done.push(`${title} ${cached}`),
  });

/** A stage that writes what it is told to, and counts how often it had to. */
function writing(text: string, inputs: Handle<unknown>[] = [], extra: Partial<StageSpec<string>> = {}) {
  const calls = { computed: 0, loaded: 0 };
  const spec: StageSpec<string> = {
    ...{ kind: 'write', title: `write ${text}`, version: 1, settings: { text }, inputs },
    async compute(directory) {
      calls.computed += 1;
      await writeFileAtomic(path.join(directory, 'out.txt'), text);
      return { files: ['out.txt'], counts: { letters: text.length } };
    },
    async load(directory) {
      calls.loaded += 1;
      return readFileSync(path.join(directory, 'out.txt'), 'utf8');
    },
    ...extra,
  };
  return { spec, calls };
}

describe('a stage', () => {
  it('is done once and then read back, only when its value is asked for', async () => {
    const { spec, calls } = writing('a');
    const first = await store().stage(spec);
    const second = await store().stage(spec);
    expect(second.result).toBe(first.result);
    expect(calls).toEqual({ computed: 1, loaded: 0 });
    expect([await second.value(), await second.value()]).toEqual(['a', 'a']);
    expect(calls).toEqual({ computed: 1, loaded: 1 });
    expect(done.slice(-2)).toEqual(['write a false', 'write a true']);
  });

  it('gives what its files say from the first, so that being cut off after it changes nothing', async () => {
    const { spec } = writing('a', [], { load: async () => 'read' });
    expect(await (await store().stage(spec)).value()).toBe('read');
    expect(await (await store().stage(spec)).value()).toBe('read');
  });

  it('is done again when its settings, version, inputs or kind differ', async () => {
    const before = await store().stage(writing('a').spec);
    for (const extra of [
      { settings: { text: 'b' } },
      { version: 2 },
      { kind: 'other' },
      { inputs: [before] },
    ]) {
      const { spec, calls } = writing('a', [], extra);
      await store().stage(spec);
      expect(calls.computed, JSON.stringify(extra)).toBe(1);
    }
  });

  it('that fails leaves no marker, and finds what it left when it is tried again', async () => {
    let found = '';
    const failing = writing('a', [], {
      compute: async (directory) => {
        writeFileSync(path.join(directory, 'half.txt'), 'half');
        throw new Error('cut off');
      },
    });
    await expect(store().stage(failing.spec)).rejects.toThrow('cut off');
    const again = writing('a', [], {
      compute: async (directory) => {
        found = readFileSync(path.join(directory, 'half.txt'), 'utf8');
        return { files: [], counts: {} };
      },
    });
    await store().stage(again.spec);
    expect(found).toBe('half');
  });

  it('whose work was partial is tried again, and what follows with it', async () => {
    const partial = writing('a');
    const compute = partial.spec.compute.bind(partial.spec);
    partial.spec.compute = async (directory) => ({ ...(await compute(directory)), partial: true });
    await store().stage(partial.spec);
    await store().stage(partial.spec);
    expect(partial.calls.computed).toBe(2);
  });

  it('whose file was changed or lost is refused by name', async () => {
    const { spec } = writing('a');
    const { record } = await store().stage(spec);
    const file = path.join(root, `write-${record!.key.slice(0, 16)}`, 'out.txt');
    writeFileSync(file, 'x');
    await expect((await store().stage(spec)).value()).rejects.toThrow(/out\.txt: was changed/);
    rmSync(file);
    await expect((await store().stage(spec)).value()).rejects.toThrow(/out\.txt: is missing/);
  });
});

describe('a plan', () => {
  it('tells cached from due, works out what is cheap, and writes nothing', async () => {
    await store().stage(writing('a').spec);
    const plan = new PlanStore(root);
    const cached = await plan.stage(writing('a').spec);
    const cheap = await plan.stage(writing('b', [cached], { cheap: true }).spec);
    const estimate = { calls: 3, promptTokens: 10, completionTokens: 5, usd: 1 };
    const due = await plan.stage(writing('c', [cheap], { estimate: async () => estimate }).spec);
    await plan.stage(writing('d', [due]).spec);
    expect(await cheap.value()).toBe('b');
    plan.dispose();
    expect(plan.planned).toEqual([
      { title: 'write a', state: 'cached', estimate: null },
      { title: 'write b', state: 'cheap', estimate: null },
      { title: 'write c', state: 'due', estimate },
      { title: 'write d', state: 'due', estimate: null },
    ]);
    // The cheap stage's result is the one that a run would get, so a plan after it sees it as cached.
    const ran = await store().stage(writing('b', [cached]).spec);
    expect(ran.result).toBe(cheap.result);
  });
});

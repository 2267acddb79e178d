import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { contentId } from '../data/ids.ts';
import {
  directoryName,
  type Estimate,
  type Handle,
  keyOf,
  once,
  type StageRunner,
  type StageSpec,
} from './stage.ts';
import { checkOutputs, readRecord, sha256Of } from './stage-store.ts';

export interface PlannedStage {
  title: string;
  /** 'cheap': done for the plan, so that what follows can be counted. */
  state: 'cached' | 'due' | 'cheap';
  estimate: Estimate | null;
}

/** Walks the stages of a run without doing them; only cheap ones are worked out, in a temporary place. */
export class PlanStore implements StageRunner {
  readonly planned: PlannedStage[] = [];
  readonly #root: string;
  readonly #seen = new Set<string>();
  readonly #scratch = mkdtempSync(path.join(os.tmpdir(), 'lapidary-plan-'));

  constructor(root: string) {
    this.#root = root;
  }

  dispose(): void {
    rmSync(this.#scratch, { recursive: true, force: true });
  }

  async stage<T>(spec: StageSpec<T>): Promise<Handle<T>> {
    const key = keyOf(spec);
    const directory = key === null ? null : path.join(this.#root, directoryName(spec.kind, key));
    const record = directory === null ? null : await readRecord(directory);
    if (directory !== null && record !== null && record.partial !== true) {
      this.#note(spec.title, key!, 'cached', null);
      const value = once(() => checkOutputs(directory, record).then(() => spec.load(directory)));
      return { title: spec.title, result: record.result, record, value };
    }
    if (key !== null && spec.cheap === true) return this.#workOut(spec, key);
    const estimate = key === null ? null : ((await spec.estimate?.()) ?? null);
    this.#note(spec.title, key ?? contentId(spec.title), 'due', estimate);
    const value = async (): Promise<T> => {
      throw new TypeError(`${spec.title}: a plan does not run it`);
    };
    return { title: spec.title, result: null, record: null, value };
  }

  async #workOut<T>(spec: StageSpec<T>, key: string): Promise<Handle<T>> {
    const directory = mkdtempSync(path.join(this.#scratch, `${spec.kind}-`));
    const { files } = await spec.compute(directory);
    const outputs: Record<string, string> = {};
    for (const file of [...files].sort()) outputs[file] = await sha256Of(path.join(directory, file));
    this.#note(spec.title, key, 'cheap', null);
    const value = once(() => spec.load(directory));
    return { title: spec.title, result: contentId(outputs), record: null, value };
  }

  /** A stage that several methods share is listed once. */
  #note(title: string, key: string, state: PlannedStage['state'], estimate: Estimate | null): void {
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.planned.push({ title, state, estimate });
  }
}

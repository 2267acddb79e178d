import { z } from 'zod';
import { dataError, LapidaryError } from '../errors.ts';
import { RolloutChecker, type RolloutCheckOptions } from './check-rollouts.ts';
import { contentId } from './ids.ts';
import { importFlat, type RolloutSet } from './import-flat.ts';
import { attempt, type OnBadRow } from './read-rows.ts';
import { Prompt, Rollout } from './records.ts';
import { readRows } from './tables.ts';

export interface LoadRolloutsOptions extends RolloutCheckOptions {
  /** The prompts table; needed with a rollouts table, refused with a flat file, which brings its own. */
  prompts?: string;
  /** Told of each malformed row of rollouts, which is then left out. Without it the first one is thrown. */
  onBadRow?: OnBadRow;
}

const FLAT_FIELDS = ['prompt', 'response', 'gold_answer'];
const TABLE_FIELDS = ['rollout_id', 'prompt_id', 'response_text'];

/** Reads stored rollouts, either as a flat file or as the rollouts table, told apart by the first row's fields. */
export async function loadRollouts(path: string, options: LoadRolloutsOptions = {}): Promise<RolloutSet> {
  if ((await formOf(path, options.onBadRow)) === 'table') return loadTable(path, options);
  if (options.prompts !== undefined) {
    throw new LapidaryError(
      'ERR_LAPIDARY_ARGUMENT',
      `loadRollouts: prompts: ${path} is a flat file, which brings its own prompts; leave the prompts file out`,
      { argument: 'prompts' },
    );
  }
  return importFlat(path, options);
}

/** Goes by the first row; where malformed rows may be left out, by the first that can be read. */
async function formOf(path: string, onBadRow: OnBadRow | undefined): Promise<'flat' | 'table'> {
  const skip = onBadRow === undefined ? undefined : () => {};
  for await (const { row, line } of readRows(path, z.looseObject({}), skip)) {
    const present = (fields: string[]) => fields.filter((field) => row[field] !== undefined).length;
    const [flat, table] = [present(FLAT_FIELDS), present(TABLE_FIELDS)];
    // prompt_id may stand in both. A row that lacks fields of the nearer form is told so when it is checked.
    if (flat > 0 && table < TABLE_FIELDS.length) return 'flat';
    if (table > 0 && flat === 0) return 'table';
    const problem = `form is unclear: a flat row has ${FLAT_FIELDS.join(', ')}; a row of the rollouts table has ${TABLE_FIELDS.join(', ')}; this one has ${flat === 0 ? 'none of them' : 'fields of both'}`;
    throw dataError(path, line, 'row', problem);
  }
  throw dataError(path, 1, 'row', 'file has no rows');
}

/** A stored row may leave group_id out: it is then derived from what makes rollouts share a baseline. */
const StoredRollout = Rollout.extend({ group_id: z.string().min(1).nullish() });

async function loadTable(path: string, options: LoadRolloutsOptions): Promise<RolloutSet> {
  if (options.prompts === undefined) {
    throw new LapidaryError(
      'ERR_LAPIDARY_ARGUMENT',
      `loadRollouts: prompts: ${path} is a rollouts table, which needs the file of its prompts`,
      { argument: 'prompts' },
    );
  }
  const prompts = await loadPrompts(options.prompts);
  const checker = new RolloutChecker(path, options);
  const rollouts: Rollout[] = [];
  for await (const { row, line } of readRows(path, StoredRollout, options.onBadRow)) {
    const sound = attempt(() => {
      if (!prompts.has(row.prompt_id)) {
        throw dataError(path, line, 'prompt_id', `${row.prompt_id} is not in ${options.prompts}`);
      }
      const { prompt_id, iteration, sampler } = row;
      const group_id = row.group_id ?? contentId({ prompt_id, iteration, sampler });
      const rollout: Rollout = { ...row, group_id };
      checker.check(rollout, line);
      return rollout;
    }, options.onBadRow);
    if (sound !== undefined) rollouts.push(sound);
  }
  if (rollouts.length === 0) throw dataError(path, 1, 'row', 'no row could be read as a rollout');
  return { prompts: [...prompts.values()], rollouts };
}

async function loadPrompts(path: string): Promise<Map<string, Prompt>> {
  const prompts = new Map<string, Prompt>();
  for await (const { row, line } of readRows(path, Prompt)) {
    if (prompts.has(row.prompt_id))
      throw dataError(path, line, 'prompt_id', `${row.prompt_id} is given twice`);
    prompts.set(row.prompt_id, row);
  }
  return prompts;
}

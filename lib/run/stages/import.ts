import { type ImportRolloutsOptions, importRollouts } from '../../data/import-rollouts.ts';
import { loadRollouts } from '../../data/load-rollouts.ts';
import { Prompt, Rollout } from '../../data/records.ts';
import { LapidaryError } from '../../errors.ts';
import { tokenOwners } from '../../segment/token-owners.ts';
import { ByteTokenizer } from '../../tokenizer/byte-tokenizer.ts';
import { tokenizerFault } from '../../tokenizer/check-tokenizer.ts';
import { HfTokenizer } from '../../tokenizer/hf-tokenizer.ts';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import type { RunConfig } from '../config.ts';
import type { Progress } from '../progress.ts';
import type { Handle } from '../stage.ts';
import { once } from '../stage.ts';
import { sha256Of } from '../stage-store.ts';
import { readTable, type StageContext, writeTable } from './context.ts';

export interface RolloutTables {
  prompts: Prompt[];
  rollouts: Rollout[];
}

/** A file of stored rollouts: its hash at once, its rows when they are needed. */
export interface Source {
  sha256: string;
  read(): Promise<RolloutTables & { skipped: number }>;
}

type FileData = Extract<RunConfig['data'], { source: 'file' }>;

/** Rows that cannot be read are an error here, before a run directory is made; or left out and counted, if asked. */
export async function openSource(data: FileData, tokenizer: Tokenizer, progress: Progress): Promise<Source> {
  const hashes = [await sha256Of(data.path)];
  if (data.prompts !== undefined) hashes.push(await sha256Of(data.prompts));
  const read = once(async () => {
    const bad: string[] = [];
    const cut: number[] = [];
    const set = await readSet(data, {
      onBadRow: ({ message }) => bad.push(message),
      decode: (ids) => tokenizer.decode(ids),
      check(rollout, line) {
        if (rollout.finish_reason === 'length') cut.push(line);
        return tokenizer instanceof ByteTokenizer ? null : idsFault(rollout, tokenizer);
      },
    });
    for (const message of bad) progress.line(`left out  ${message}`);
    if (cut.length > 0) progress.line(`cut short  ${data.path}: ${linesText(cut)}: ${CUT}`);
    return { prompts: set.prompts, rollouts: tokenized(set, tokenizer), skipped: bad.length };
  });
  return { sha256: hashes.join('+'), read };
}

/** Ids of another tokenizer, by its name or because they do not spell the text: no step would find its tokens. */
function idsFault(rollout: Rollout, tokenizer: Tokenizer): { field: string; problem: string } | null {
  const fault = tokenizerFault(rollout, tokenizer);
  if (fault !== null || rollout.response_ids == null) return fault;
  try {
    tokenOwners(rollout.response_text, rollout.response_ids, tokenizer);
    return null;
  } catch (error) {
    if (!LapidaryError.isInstance(error) || error.code !== 'ERR_LAPIDARY_DATA') throw error;
    return { field: 'response_ids', problem: error.message };
  }
}

/** A rollouts table comes with its prompts; anything else is told by its first row, or by `format`. */
async function readSet(
  data: FileData,
  options: Required<Pick<ImportRolloutsOptions, 'check' | 'decode' | 'onBadRow'>>,
): Promise<RolloutTables> {
  const { onBadRow, ...reading } = options;
  const checks = { ...reading, ...(data.bad_rows === 'skip' ? { onBadRow } : {}) };
  if (data.prompts !== undefined) return loadRollouts(data.path, { ...checks, prompts: data.prompts });
  return importRollouts(data.path, {
    ...checks,
    format: data.format,
    ...(data.logprob_kind === undefined ? {} : { logprobKind: data.logprob_kind }),
    ...(data.answer_column === undefined ? {} : { answerColumn: data.answer_column }),
  });
}

const CUT = 'cut at the token limit, and verified by what is there';
const SHOWN = 10;

/** "line 3", "lines 3, 8 and 12", "lines 1, 2, … and 90 more"; a line may hold several responses. */
function linesText(lines: readonly number[]): string {
  const distinct = [...new Set(lines)];
  if (distinct.length === 1) return `line ${distinct[0]}`;
  const shown = distinct.slice(0, SHOWN);
  const more = distinct.length - shown.length;
  const last = more > 0 ? `${more} more` : shown.pop();
  return `lines ${shown.join(', ')} and ${last}`;
}

export function importStage(
  context: StageContext,
  data: FileData,
  source: Source,
): Promise<Handle<RolloutTables>> {
  const { runner, tokenizer } = context;
  return runner.stage<RolloutTables>({
    kind: 'import',
    title: 'import',
    version: 1,
    cheap: true,
    settings: importSettings(data, source, tokenizer),
    inputs: [],
    async compute(directory) {
      const { prompts, rollouts, skipped } = await source.read();
      const files = [
        await writeTable(directory, 'prompts', prompts),
        await writeTable(directory, 'rollouts', rollouts),
      ];
      const counts = { prompts: prompts.length, rollouts: rollouts.length, skipped };
      return { files, counts };
    },
    load: loadTables,
  });
}

/** Where the file lies does not matter; what is read from it does. */
function importSettings(data: FileData, { sha256 }: Source, tokenizer: Tokenizer): object {
  const { format, bad_rows, logprob_kind, answer_column } = data;
  return { sha256, format, bad_rows, logprob_kind, answer_column, tokenizer: tokenizer.id };
}

export async function loadTables(directory: string): Promise<RolloutTables> {
  return {
    prompts: await readTable(directory, 'prompts', Prompt),
    rollouts: await readTable(directory, 'rollouts', Rollout),
  };
}

export function tokenizerOf(data: FileData): Tokenizer {
  if (data.tokenizer === undefined) return new ByteTokenizer();
  return new HfTokenizer(data.tokenizer, data.eos_token === undefined ? {} : { eosToken: data.eos_token });
}

/**
 * With the tokenizer of the rollouts their ids stand, and were checked against it. Without one, responses are cut into bytes, and
 * stored log-probs are left out: they speak of other tokens.
 */
function tokenized(set: RolloutTables, tokenizer: Tokenizer): Rollout[] {
  if (!(tokenizer instanceof ByteTokenizer)) return set.rollouts;
  const promptIds = new Map(
    set.prompts.map((prompt) => [
      prompt.prompt_id,
      tokenizer.encode(prompt.messages.map((message) => message.content).join('\n')),
    ]),
  );
  return set.rollouts.map((rollout) => {
    if (rollout.sampler.tokenizer === tokenizer.id && rollout.response_ids != null) return rollout;
    const { behavior_logprobs: _b, ref_logprobs: _r, logprob_kind: _k, ...kept } = rollout;
    const response_ids = tokenizer.encode(rollout.response_text);
    return { ...kept, prompt_ids: promptIds.get(rollout.prompt_id)!, response_ids };
  });
}

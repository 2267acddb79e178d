import { dataError } from '../errors.ts';
import type { Rollout } from './records.ts';

export interface RolloutCheckOptions {
  /**
   * True where the run will use the sequence term S_i = Σ (log π − log π_ref), or an importance weight, which need
   * log-probs of a distribution over the whole vocabulary.
   */
  sequenceTerm?: boolean;
  /** A further check of each rollout; what it gives is the row's fault. `line` is the row's. */
  check?: (rollout: Rollout, line: number) => { field: string; problem: string } | null;
}

/** Checks what one column says against another, which a schema of single fields cannot; one file per checker. */
export class RolloutChecker {
  readonly #file: string;
  readonly #options: RolloutCheckOptions;
  readonly #lineOfId = new Map<string, number>();
  readonly #promptOfGroup = new Map<string, { promptId: string; line: number }>();

  constructor(file: string, options: RolloutCheckOptions = {}) {
    this.#file = file;
    this.#options = options;
  }

  /** Throws ERR_LAPIDARY_DATA naming file, line and field. */
  check(row: Rollout, line: number): void {
    this.checkTogether([row], line);
  }

  /** Checks the rollouts of one line. They are remembered only if all are sound, so a refused line leaves no trace. */
  checkTogether(rows: readonly Rollout[], line: number): void {
    const own = new Set<string>();
    for (const row of rows) {
      this.#checkIdentity(row, line, own);
      this.#checkLogprobs(row, 'behavior_logprobs', line);
      this.#checkLogprobs(row, 'ref_logprobs', line);
      this.#checkKind(row, line);
      const fault = this.#options.check?.(row, line) ?? null;
      if (fault !== null) throw dataError(this.#file, line, fault.field, fault.problem);
      own.add(row.rollout_id);
    }
    for (const row of rows) {
      this.#lineOfId.set(row.rollout_id, line);
      if (!this.#promptOfGroup.has(row.group_id)) {
        this.#promptOfGroup.set(row.group_id, { promptId: row.prompt_id, line });
      }
    }
  }

  #checkIdentity(row: Rollout, line: number, ofThisLine: ReadonlySet<string>): void {
    const first = ofThisLine.has(row.rollout_id) ? line : this.#lineOfId.get(row.rollout_id);
    if (first !== undefined) {
      throw dataError(this.#file, line, 'rollout_id', `${row.rollout_id} is already on line ${first}`);
    }
    const group = this.#promptOfGroup.get(row.group_id);
    if (group !== undefined && group.promptId !== row.prompt_id) {
      const problem = `group ${row.group_id} has another prompt on line ${group.line}; rollouts that share a baseline answer one prompt`;
      throw dataError(this.#file, line, 'group_id', problem);
    }
  }

  #checkLogprobs(row: Rollout, field: 'behavior_logprobs' | 'ref_logprobs', line: number): void {
    const logprobs = row[field];
    if (logprobs == null) return;
    const fail = (where: string, problem: string) => dataError(this.#file, line, where, problem);
    if (row.response_ids == null) throw fail(field, 'is present without response_ids');
    if (logprobs.length !== row.response_ids.length) {
      throw fail(field, `has ${logprobs.length} entries, response_ids has ${row.response_ids.length}`);
    }
    const bad = logprobs.findIndex((value) => !(value <= 0 && Number.isFinite(value)));
    if (bad !== -1) {
      throw fail(`${field}[${bad}]`, `is ${logprobs[bad]}; a log-prob is finite and at most 0`);
    }
  }

  #checkKind(row: Rollout, line: number): void {
    if (row.behavior_logprobs == null) return;
    if (row.logprob_kind == null) {
      const problem = 'is missing; it is mandatory beside behavior_logprobs, which mean nothing without it';
      throw dataError(this.#file, line, 'logprob_kind', problem);
    }
    const anchored = row.ref_logprobs != null;
    if (this.#options.sequenceTerm === true && row.logprob_kind === 'processed_truncated' && !anchored) {
      const problem =
        'processed_truncated cannot anchor the sequence term: top-p, top-k or min-p renormalised each token over ' +
        'the kept words, so every log-ratio would carry the log of the mass cut away. Store ref_logprobs over the ' +
        'full vocabulary, or recompute (recomputed_trainer)';
      throw dataError(this.#file, line, 'logprob_kind', problem);
    }
  }
}

/** Checks rollouts already in memory; `line` of a row is its position, counting from 1. */
export function checkRollouts(
  rows: Iterable<Rollout>,
  file: string,
  options: RolloutCheckOptions = {},
): void {
  const checker = new RolloutChecker(file, options);
  let line = 0;
  for (const row of rows) checker.check(row, ++line);
}

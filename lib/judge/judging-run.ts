import { LapidaryError } from '../errors.ts';
import { abstain, abstainClass, isFailure } from './abstain-class.ts';
import type { Judge, JudgeRequest, JudgeResponse, StepJudgement } from './judge.ts';
import { countAbstentions, type JudgeCounts, noCounts } from './judge-counts.ts';
import { type JournalEntry, type JudgeJournal, journalKey } from './judge-journal.ts';
import type { JudgedRollouts, JudgeRolloutsOptions } from './judge-rollouts.ts';
import type { JudgeTask } from './judge-tasks.ts';
import { addUsage, type RecordedResponse } from './recorded-response.ts';
import { checkedJudgements, verdictRows } from './verdict-rows.ts';

/** Tasks of the same judge and content, and where they stand in the list of all. */
interface Question {
  key: string | null;
  judge: Judge;
  request: JudgeRequest;
  tasks: number[];
  /** What an earlier run left unfinished. */
  prior: JournalEntry | undefined;
}

/** The state of one judgeRollouts call: what is open, what has come, what is counted. */
export class JudgingRun {
  readonly #tasks: JudgeTask[];
  readonly #results: StepJudgement[][];
  readonly #counts: Record<string, JudgeCounts> = {};
  readonly #journal: JudgeJournal | undefined;
  readonly #retryFailed: boolean;
  readonly #onProgress: JudgeRolloutsOptions['onProgress'];
  #done = 0;
  #capped = false;

  constructor(options: JudgeRolloutsOptions, tasks: JudgeTask[]) {
    this.#tasks = tasks;
    this.#results = new Array(tasks.length);
    this.#journal = options.journal;
    this.#retryFailed = options.retryFailed ?? true;
    this.#onProgress = options.onProgress;
    for (const { id } of options.judges) this.#counts[id] = noCounts();
  }

  /** Settles what needs no judge; the rest as units of one call each, in the order given. */
  open(): Question[][] {
    const units: Question[][] = [];
    const batches = new Map<Judge, Question[]>();
    for (const question of this.#questions()) {
      const { judge } = question;
      const size = judge.judgeBatch === undefined ? 1 : (judge.batchSize ?? 1);
      let unit = batches.get(judge);
      if (unit === undefined || unit.length >= size) {
        unit = [];
        batches.set(judge, unit);
        units.push(unit);
      }
      unit.push(question);
    }
    return units;
  }

  #questions(): Question[] {
    const open = new Map<string, Question>();
    for (const [at, { judge, request }] of this.#tasks.entries()) {
      const key = this.#journal === undefined ? null : journalKey(judge, request);
      const same = open.get(key ?? `#${at}`);
      if (same !== undefined) {
        same.tasks.push(at);
        continue;
      }
      const entry = key === null ? undefined : this.#journal!.get(key);
      const question: Question = { key, judge, request, tasks: [at], prior: entry };
      const nothingAsked = (request.asked ?? request.steps).length === 0;
      if (nothingAsked)
        this.#settle(
          question,
          request.steps.map(() => abstain('not-asked')),
        );
      else if (entry !== undefined && (entry.status === 'done' || !this.#retryFailed))
        this.#hit(question, entry);
      else open.set(key ?? `#${at}`, question);
    }
    return [...open.values()];
  }

  /** Asks one unit, writes what came to the journal, and only then counts it. */
  async ask(unit: readonly Question[], signal: AbortSignal): Promise<void> {
    const { judge } = unit[0]!;
    const requests = unit.map(stillOpen);
    const responses = await callJudge(judge, requests, signal);
    await Promise.all(unit.map((question, i) => this.#record(question, requests[i]!, responses[i]!)));
  }

  async #record(question: Question, request: JudgeRequest, response: RecordedResponse): Promise<void> {
    const { judge, key, prior } = question;
    const fresh = checkedJudgements(judge.id, request, response);
    const judgements = prior === undefined ? fresh : merged(prior, request, fresh);
    const counts = this.#counts[judge.id]!;
    counts.calls++;
    counts.journalHits += question.tasks.length - 1;
    addUsage(counts.usage, response.usage);
    const capped = fresh.some(
      (judgement) => abstainClass(judgement.reason) === 'spend-cap' && isFailure(judgement),
    );
    this.#capped ||= capped;
    // A question that the cap kept from being put left no trace worth keeping, unless a part of it was paid for.
    const untouched = capped && (response.usage.requests ?? 0) === 0;
    if (this.#journal !== undefined && !untouched)
      await this.#journal.append(entryOf(key!, question, judgements, response));
    this.#settle(question, judgements);
  }

  #hit(question: Question, entry: JournalEntry): void {
    const counts = this.#counts[question.judge.id]!;
    counts.journalHits++;
    addUsage(counts.journaledUsage, entry.usage);
    this.#settle(question, checkedJudgements(question.judge.id, question.request, entry));
  }

  #settle(question: Question, judgements: StepJudgement[]): void {
    const counts = this.#counts[question.judge.id]!;
    for (const at of question.tasks) {
      this.#results[at] = judgements;
      counts.responses++;
      if (judgements.some(isFailure)) counts.failed++;
      countAbstentions(counts, judgements);
      this.#onProgress?.({ done: ++this.#done, total: this.#tasks.length });
    }
  }

  result(): JudgedRollouts {
    const verdicts = this.#tasks.flatMap((task, at) => verdictRows(task, this.#results[at]!));
    const usage = Object.fromEntries(Object.entries(this.#counts).map(([id, counts]) => [id, counts.usage]));
    return { verdicts, usage, counts: this.#counts, stopped: this.#capped ? 'spend-cap' : null };
  }
}

async function callJudge(
  judge: Judge,
  requests: readonly JudgeRequest[],
  signal: AbortSignal,
): Promise<JudgeResponse[]> {
  if (judge.judgeBatch === undefined) return [await judge.judge(requests[0]!, { signal })];
  const responses = await judge.judgeBatch(requests, { signal });
  if (responses.length === requests.length) return responses;
  const counts = `${responses.length} responses to ${requests.length} requests`;
  throw new LapidaryError('ERR_LAPIDARY_JUDGE', `judge ${judge.id}: judgeBatch gave ${counts}`);
}

/** The request, without the steps that an earlier run has an answer on. */
function stillOpen({ request, prior }: Question): JudgeRequest {
  if (prior === undefined) return request;
  const asked = prior.judgements.flatMap((judgement, position) => (isFailure(judgement) ? [position] : []));
  return asked.length === request.steps.length ? request : { ...request, asked };
}

function merged(prior: JournalEntry, request: JudgeRequest, fresh: StepJudgement[]): StepJudgement[] {
  const asked = new Set(request.asked ?? fresh.keys());
  return fresh.map((judgement, position) => (asked.has(position) ? judgement : prior.judgements[position]!));
}

function entryOf(
  key: string,
  { judge, request, prior }: Question,
  judgements: StepJudgement[],
  response: RecordedResponse,
): JournalEntry {
  return {
    key,
    judge_id: judge.id,
    rollout_id: request.rolloutId,
    status: judgements.some(isFailure) ? 'failed' : 'done',
    judgements,
    usage: response.usage,
    reply_sha256: response.replySha256 ?? null,
    attempt: (prior?.attempt ?? 0) + 1,
    created_at: new Date().toISOString(),
  };
}

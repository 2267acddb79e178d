import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import type { AbstainClass } from '../../lib/judge/abstain-class.ts';
import { CostLedger } from '../../lib/judge/cost-ledger.ts';
import type { Judge, JudgeRequest, JudgeResponse } from '../../lib/judge/judge.ts';
import { JudgeJournal } from '../../lib/judge/judge-journal.ts';
import { judgeRollouts } from '../../lib/judge/judge-rollouts.ts';
import { LlmJudge } from '../../lib/judge/llm-judge.ts';
import { temporaryFolder } from '../data/temporary-folder.ts';
import { chatServer, judges, says, status } from './chat-server.ts';
import { judgedData } from './judged-data.ts';

const at = temporaryFolder();
let files = 0;

async function withJournal<T>(
  work: (journal: JudgeJournal) => Promise<T>,
  file = at(`${files++}.jsonl`),
): Promise<T> {
  const journal = await JudgeJournal.open(file);
  try {
    return await work(journal);
  } finally {
    await journal.close();
  }
}

/** Calls steps with a "b" wrong; says of some steps, at first, that it could not be asked. */
class ScriptedJudge implements Judge {
  readonly id: string;
  readonly seen: { problem: string; asked: readonly number[] | undefined }[] = [];
  readonly batches: string[][] = [];
  readonly batchSize?: number;
  readonly judgeBatch?: NonNullable<Judge['judgeBatch']>;
  readonly #trouble: (request: JudgeRequest, position: number, times: number) => AbstainClass | null;
  readonly #times = new Map<string, number>();

  constructor(
    id: string,
    options: {
      trouble?: (request: JudgeRequest, position: number, times: number) => AbstainClass | null;
      batchSize?: number;
    } = {},
  ) {
    this.id = id;
    this.#trouble = options.trouble ?? (() => null);
    if (options.batchSize !== undefined) {
      this.batchSize = options.batchSize;
      this.judgeBatch = async (requests) => {
        this.batches.push(requests.map(({ rolloutId }) => rolloutId));
        return Promise.all(requests.map((request) => this.judge(request)));
      };
    }
  }

  async judge(request: JudgeRequest): Promise<JudgeResponse> {
    const times = this.#times.get(request.problem) ?? 0;
    this.#times.set(request.problem, times + 1);
    this.seen.push({ problem: request.problem, asked: request.asked });
    await delay(1);
    const judgements = request.steps.map((step, position) => {
      const trouble = this.#trouble(request, position, times);
      if (trouble !== null)
        return { label: 'abstain' as const, recovers: false, score: null, reason: trouble };
      const label = step.includes('b') ? ('wrong' as const) : ('right' as const);
      return { label, recovers: false, score: 0.5, reason: step };
    });
    return { judgements, usage: { promptTokens: 10, completionTokens: 1, seconds: 0, costUsd: 0.25 } };
  }
}

const TEXTS = ['aabb', 'bbaacc', 'aa', 'ccbbcc'];

describe('a journal', () => {
  it('makes a second run ask nothing and say the same', async () => {
    const data = judgedData(TEXTS);
    const judge = new ScriptedJudge('j');
    const plain = await judgeRollouts({ ...data, judges: [judge] });
    const file = at(`${files++}.jsonl`);
    const first = await withJournal((journal) => judgeRollouts({ ...data, judges: [judge], journal }), file);
    judge.seen.length = 0;
    const second = await withJournal((journal) => judgeRollouts({ ...data, judges: [judge], journal }), file);
    expect(first.verdicts).toEqual(plain.verdicts);
    expect(second.verdicts).toEqual(plain.verdicts);
    expect(judge.seen).toEqual([]);
    expect(first.counts.j).toMatchObject({
      responses: 4,
      calls: 4,
      journalHits: 0,
      failed: 0,
      abstained: {},
    });
    expect(first.usage.j).toMatchObject({ promptTokens: 40, costUsd: 1 });
    expect(second.counts.j).toMatchObject({ responses: 4, calls: 0, journalHits: 4 });
    expect(second.counts.j!.journaledUsage).toMatchObject({ promptTokens: 40, costUsd: 1 });
    expect(second.usage.j).toMatchObject({ promptTokens: 0 });
  });

  it('asks about responses of the same content once', async () => {
    const data = judgedData(['aabb', 'aabb', 'aabb']);
    for (const rollout of data.rollouts) rollout.prompt_id = 'p0';
    const judge = new ScriptedJudge('j');
    const { verdicts, counts } = await withJournal((journal) =>
      judgeRollouts({ ...data, judges: [judge], journal }),
    );
    expect(judge.seen).toHaveLength(1);
    expect(verdicts.map(({ rollout_id, label }) => [rollout_id, label])).toEqual(
      ['r0', 'r1', 'r2'].flatMap((id) => [
        [id, 1],
        [id, 0],
      ]),
    );
    expect(counts.j).toMatchObject({ responses: 3, calls: 1, journalHits: 2 });
  });

  it('asks failures again, only the steps that failed, and nothing that was answered', async () => {
    const data = judgedData(TEXTS);
    const judge = new ScriptedJudge('j', {
      trouble: ({ problem }, position, times) => {
        if (problem === 'problem 0') return 'unsure';
        if (problem === 'problem 1' && position === 2 && times < 2) return 'timeout';
        if (problem === 'problem 3' && times < 1) return 'http-5xx';
        return null;
      },
    });
    const file = at(`${files++}.jsonl`);
    const run = (retryFailed = true) =>
      withJournal((journal) => judgeRollouts({ ...data, judges: [judge], journal, retryFailed }), file);
    const asked = () => judge.seen.splice(0).map(({ problem, asked }) => [problem, asked]);
    const first = await run();
    expect(first.counts.j).toMatchObject({ failed: 2, abstained: { unsure: 2, timeout: 1, 'http-5xx': 3 } });
    asked();
    const kept = await run(false);
    expect(asked()).toEqual([]);
    expect(kept.verdicts).toEqual(first.verdicts);
    const second = await run();
    expect(asked()).toEqual([
      ['problem 1', [2]],
      ['problem 3', undefined],
    ]);
    expect(second.counts.j).toMatchObject({
      calls: 2,
      journalHits: 2,
      failed: 1,
      abstained: { unsure: 2, timeout: 1 },
    });
    const third = await run();
    expect(asked()).toEqual([['problem 1', [2]]]);
    expect(third.counts.j).toMatchObject({ failed: 0, abstained: { unsure: 2 } });
    const plain = await judgeRollouts({ ...data, judges: [new ScriptedJudge('j')] });
    expect(third.verdicts.slice(2)).toEqual(plain.verdicts.slice(2));
    const spent = await withJournal(async (journal) => journal.spentUsd, file);
    expect(spent).toBe(0.25 * 7);
  });

  it('keeps what was under way when a judge throws', async () => {
    const data = judgedData(TEXTS);
    const failure = new Error('no such model');
    const throwing: Judge = {
      id: 'bad',
      judge: async () => {
        throw failure;
      },
    };
    const slow = new ScriptedJudge('slow');
    await withJournal(async (journal) => {
      const run = judgeRollouts({ ...data, judges: [slow, throwing], journal, concurrency: 2 });
      await expect(run).rejects.toBe(failure);
      expect(journal.size).toBe(slow.seen.length);
      expect(journal.size).toBeGreaterThan(0);
      expect(journal.size).toBeLessThan(TEXTS.length);
    });
  });
});

describe('asked', () => {
  it('is passed on, and what was not asked for abstains whatever the judge says', async () => {
    const data = judgedData(TEXTS);
    const [cheap, dear] = [new ScriptedJudge('cheap'), new ScriptedJudge('dear')];
    const asked = (rollout: string, judge: string) =>
      judge === 'cheap' ? undefined : { r0: [1, 0, 1], r1: [2], r2: [], r3: undefined }[rollout];
    const { verdicts, counts } = await judgeRollouts({ ...data, judges: [cheap, dear], asked });
    expect(dear.seen).toEqual([
      { problem: 'problem 0', asked: undefined },
      { problem: 'problem 1', asked: [2] },
      { problem: 'problem 3', asked: undefined },
    ]);
    const labels = verdicts
      .filter((row) => row.judge_id === 'dear')
      .map(({ label, reason }) => [label, reason]);
    const none = [-1, 'not-asked'];
    expect(labels).toEqual([
      ...[[1, 'aa'], [0, 'bb'], none, none, [1, 'cc'], none],
      ...[
        [1, 'cc'],
        [0, 'bb'],
        [1, 'cc'],
      ],
    ]);
    expect(counts.dear).toMatchObject({ calls: 3, abstained: { 'not-asked': 3 } });
    const wrong = judgeRollouts({ ...data, judges: [cheap], asked: () => [3] });
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_LAPIDARY_ARGUMENT', argument: 'asked' });
  });
});

describe('batches', () => {
  it('hold the open responses in the order given', async () => {
    const texts = Array.from({ length: 7 }, (_, i) => 'aabb'.slice(0, 1 + (i % 4)));
    const data = judgedData(texts);
    const judge = new ScriptedJudge('batch', { batchSize: 3 });
    const single = new ScriptedJudge('single');
    const plain = await judgeRollouts({ ...data, judges: [single, judge], concurrency: 4 });
    expect(judge.batches).toEqual([['r0', 'r1', 'r2'], ['r3', 'r4', 'r5'], ['r6']]);
    expect(plain.counts.batch).toMatchObject({ calls: 7 });
    const labels = (id: string) =>
      plain.verdicts.filter((row) => row.judge_id === id).map(({ label }) => label);
    expect(labels('batch')).toEqual(labels('single'));

    const file = at(`${files++}.jsonl`);
    const some = { ...data, rollouts: [1, 4].map((i) => data.rollouts[i]!) };
    await withJournal((journal) => judgeRollouts({ ...some, judges: [judge], journal }), file);
    judge.batches.length = 0;
    await withJournal((journal) => judgeRollouts({ ...data, judges: [judge], journal }), file);
    expect(judge.batches).toEqual([
      ['r0', 'r2', 'r3'],
      ['r5', 'r6'],
    ]);
  });

  it('that come back short are refused', async () => {
    const judge = new ScriptedJudge('batch', { batchSize: 3 });
    const short: Judge = {
      ...{ id: 'short', batchSize: 2, judge: (request) => judge.judge(request) },
      judgeBatch: async () => [],
    };
    await expect(judgeRollouts({ ...judgedData(TEXTS), judges: [short] })).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_JUDGE',
      message: 'judge short: judgeBatch gave 0 responses to 2 requests',
    });
  });
});

describe('with a real endpoint', () => {
  const good = judges((text) => (text.includes('b') ? 'wrong' : 'right'));
  const TEXT = ['aabb', 'bbcc', 'ccaa', 'aacc', 'bbbb', 'cccc'];
  const prices = { inputUsdPerMillion: 10, outputUsdPerMillion: 100 };

  it('an empty account stops the run, with everything answered so far in the journal', async () => {
    const data = judgedData(TEXT);
    let served = 0;
    const server = await chatServer((response, request, socket) => {
      const behaviour = ++served === 4 ? status(429, {}, '{"error": {"code": "insufficient_quota"}}') : good;
      // The fourth, which is refused, is answered before the third.
      setTimeout(() => behaviour(response, request, socket), served === 3 ? 60 : 0);
    });
    const file = at(`${files++}.jsonl`);
    const judge = () => new LlmJudge({ endpoint: server.endpoint, model: 'm' });
    const run = withJournal(
      (journal) => judgeRollouts({ ...data, judges: [judge()], journal, concurrency: 2 }),
      file,
    );
    await expect(run).rejects.toMatchObject({ code: 'ERR_LAPIDARY_JUDGE' });
    expect(served).toBe(4);
    await withJournal(async (journal) => expect(journal.size).toBe(3), file);
    const { counts } = await withJournal(
      (journal) => judgeRollouts({ ...data, judges: [judge()], journal }),
      file,
    );
    expect(Object.values(counts)[0]).toMatchObject({ calls: 3, journalHits: 3, failed: 0 });
  });

  it('the spend cap stops the run, and a later run with more money goes on', async () => {
    const data = judgedData(TEXT);
    const server = await chatServer(good);
    const file = at(`${files++}.jsonl`);
    const run = (maxUsd: number) =>
      withJournal((journal) => {
        const ledger = new CostLedger({ maxUsd, spentUsd: journal.spentUsd });
        const judge = new LlmJudge({ endpoint: server.endpoint, model: 'm', maxTokens: 100, prices, ledger });
        return judgeRollouts({ ...data, judges: [judge], journal });
      }, file);
    const first = await run(0.03);
    const sent = server.requests.length;
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(TEXT.length);
    const [counts] = Object.values(first.counts);
    expect(first.stopped).toBe('spend-cap');
    expect(counts!.abstained).toEqual({ 'spend-cap': 2 * (TEXT.length - sent) });
    expect(counts!.usage).toMatchObject({ requests: sent });
    expect(counts!.usage.costUsd).toBeCloseTo(sent * 0.0017, 9);
    // The journal holds only what was asked.
    expect(readFileSync(file, 'utf8').trimEnd().split('\n')).toHaveLength(1 + sent);
    const second = await run(1);
    expect(second.stopped).toBeNull();
    expect(server.requests).toHaveLength(TEXT.length);
    expect(second.verdicts.every(({ label }) => label !== -1)).toBe(true);
  });

  it('the journal holds what version 2 tells, and never the key', async () => {
    const KEY = 'sk-very-secret-0123456789';
    vi.stubEnv('LAPIDARY_TEST_KEY', KEY);
    const replies = ['echo', 'cut'].map((reason) => ({
      ...{ index: 1, reason: `${reason} ${KEY}`, error_type: 'calculation', faulty_span: 'a' },
      ...{ depends_on: [1, 5], recovers: true, verdict: 'wrong' },
    }));
    const server = await chatServer(
      says(JSON.stringify({ judgements: [{ ...replies[0] }, { ...replies[1], index: 2 }] })),
    );
    const judge = new LlmJudge({ endpoint: server.endpoint, model: 'm', apiKeyEnv: 'LAPIDARY_TEST_KEY' });
    const file = at(`${files++}.jsonl`);
    const { verdicts } = await withJournal(
      (journal) => judgeRollouts({ ...judgedData(['aabb']), judges: [judge], journal }),
      file,
    );
    vi.unstubAllEnvs();
    expect(verdicts).toMatchObject([
      { label: 0, recovers: false, error_type: 'calculation', faulty_span: 'a', reason: 'echo [key]' },
      { label: 0, error_type: 'calculation', depends_on: [0], reason: 'cut [key]' },
    ]);
    // "a" is not in step 2, "bb".
    expect(verdicts[1]).not.toHaveProperty('faulty_span');
    const text = readFileSync(file, 'utf8');
    expect(text).toContain('"errorType":"calculation"');
    expect(text).toMatch(/"reply_sha256":"[0-9a-f]{64}"/);
    expect(text).not.toContain(KEY);
  });
});

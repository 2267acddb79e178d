import { gzipSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { CostLedger } from '../../lib/judge/cost-ledger.ts';
import { EndpointLimiter } from '../../lib/judge/endpoint-limiter.ts';
import type { JudgeRequest } from '../../lib/judge/judge.ts';
import { LlmJudge, type LlmJudgeOptions } from '../../lib/judge/llm-judge.ts';
import {
  type Behaviour,
  chatServer,
  endless,
  hangs,
  judges,
  resets,
  says,
  status,
  verdicts,
} from './chat-server.ts';
import { FakeClock } from './fake-clock.ts';

const REQUEST: JudgeRequest = {
  rolloutId: 'r1',
  problem: 'What is 3 + 4?',
  groundTruth: '7',
  steps: ['3 + 4 is 8.', 'Wait, it is 7.', 'So 7.'],
};
const GOOD = judges((text) => (text.includes('8') ? 'wrong' : 'right'));
const JSON_TYPE = { 'content-type': 'application/json' };
const ABSTAIN = ['abstain', 'abstain', 'abstain'];

const quick = { sleep: async () => {}, random: () => 0.5 };

async function ask(behaviours: Behaviour[], options: Partial<LlmJudgeOptions> = {}) {
  const server = await chatServer(...behaviours);
  const judge = new LlmJudge({ endpoint: server.endpoint, model: 'm', retry: quick, ...options });
  const { judgements, usage } = await judge.judge(REQUEST);
  return {
    labels: judgements.map(({ label }) => label),
    reasons: new Set(judgements.map(({ reason }) => reason)),
    requests: server.requests,
    usage,
  };
}

const gzipGarbage: Behaviour = (response) => {
  response.writeHead(200, { ...JSON_TYPE, 'content-encoding': 'gzip' });
  response.end('this is no gzip');
};
const gzipCut: Behaviour = (response) => {
  response.writeHead(200, { ...JSON_TYPE, 'content-encoding': 'gzip' });
  response.end(gzipSync('{"choices": [{"message": {"content": "x"}}]}').subarray(0, 20));
};
const gzipBomb: Behaviour = (response) => {
  response.writeHead(200, { ...JSON_TYPE, 'content-encoding': 'gzip' });
  response.end(gzipSync(Buffer.alloc(32 << 20, 0x20)));
};
const slow: Behaviour = (response) => {
  response.writeHead(200, JSON_TYPE);
  const drip = setInterval(() => response.write(' '), 10);
  response.on('close', () => clearInterval(drip));
};
const cutBody: Behaviour = (response, _request, socket) => {
  response.writeHead(200, { ...JSON_TYPE, 'content-length': '1000' });
  response.write('{"choices": [');
  setTimeout(() => socket.destroy(), 5);
};
const html = '<!doctype html><title>502 Bad Gateway</title>';

describe('every failure abstains with its class, and never becomes a verdict', () => {
  it.each<[string, Behaviour, number, Partial<LlmJudgeOptions>]>([
    ['timeout', hangs, 2, { timeoutMs: 1500 }],
    ['timeout', slow, 2, { timeoutMs: 1500 }],
    ['timeout', status(408), 2, {}],
    ['network', resets, 2, {}],
    ['network', cutBody, 2, {}],
    ['network', gzipGarbage, 2, {}],
    ['bad-body', gzipCut, 2, {}],
    ['rate-limited', status(429), 2, {}],
    ['rate-limited', status(529), 2, {}],
    ['rate-limited', status(200, JSON_TYPE, '{"error": {"code": 429, "message": "upstream"}}'), 2, {}],
    ['http-5xx', status(500), 2, {}],
    ['http-5xx', status(502, { 'content-type': 'text/html' }, html), 2, {}],
    ['http-5xx', status(200, JSON_TYPE, '{"error": {"code": "overloaded", "message": "upstream"}}'), 2, {}],
    ['content-type', status(200, { 'content-type': 'text/html' }, html), 2, {}],
    ['content-type', status(200, { 'content-type': 'text/event-stream' }, 'data: {}'), 2, {}],
    ['bad-body', status(200, JSON_TYPE, html), 2, {}],
    ['bad-body', status(200, JSON_TYPE, ''), 2, {}],
    ['bad-body', status(200, JSON_TYPE, '{"choices": []}'), 2, {}],
    ['bad-body', status(200, JSON_TYPE, 'null'), 2, {}],
    ['huge-body', endless(9 << 20), 1, {}],
    ['huge-body', gzipBomb, 1, {}],
    ['redirect', status(307, { location: 'http://127.0.0.1:1/login' }), 1, {}],
    ['redirect', status(302, { location: '/v1/chat/completions' }), 1, {}],
    ['http-422', status(422, {}, 'unknown field'), 1, {}],
    ['context-overflow', status(413), 5, { maxTokens: 10 }],
    ['refusal', says(null), 1, {}],
    ['malformed', says('I think they are all right.'), 2, {}],
    ['malformed', says('[true, true, true]'), 2, {}],
    ['truncated', says('{"judgements": [', { finish: 'length' }), 8, {}],
  ])('%s (%#)', async (reason, behaviour, times, options) => {
    const { labels, reasons, requests } = await ask([behaviour], { maxAttempts: 2, ...options });
    expect(labels).toEqual(ABSTAIN);
    expect(reasons).toEqual(new Set([reason]));
    // A context that is too small: the whole, its halves, single steps, each at last without what came before.
    if (reason === 'context-overflow') expect(requests.length).toBeGreaterThan(times);
    else expect(requests).toHaveLength(times);
  });

  it('reads JSON of any kind, and what comes without a type', async () => {
    const body =
      (type?: string): Behaviour =>
      (response, request, socket) => {
        const { setHeader } = response;
        response.setHeader = (name, value) =>
          name !== 'content-type'
            ? setHeader.call(response, name, value)
            : type === undefined
              ? response
              : setHeader.call(response, name, type);
        GOOD(response, request, socket);
      };
    for (const type of ['application/json; charset=utf-8', 'application/problem+json', undefined]) {
      expect((await ask([body(type)])).labels).toEqual(['wrong', 'right', 'right']);
    }
  });

  it('recovers where the next attempt is good', async () => {
    const bad = [resets, status(503), gzipGarbage, status(200, { 'content-type': 'text/html' }, html)];
    const { labels, requests, usage } = await ask([...bad, GOOD]);
    expect(labels).toEqual(['wrong', 'right', 'right']);
    expect(requests).toHaveLength(5);
    expect(usage.requests).toBe(5);
    const keys = new Set(requests.map(({ headers }) => headers['idempotency-key']));
    expect(keys.size).toBe(1);
  });
});

describe('Retry-After', () => {
  it('holds back every call to the endpoint until its time', async () => {
    const clock = new FakeClock();
    const arrivals: number[] = [];
    let answered = 0;
    let limitAfterwards = 0;
    const limits = new EndpointLimiter({ maxConcurrency: 4 }, clock);
    const server: Behaviour = (response, request, socket) => {
      arrivals.push(clock.elapsed);
      if (arrivals.length === 5) limitAfterwards = limits.concurrency.limit;
      const behaviour = arrivals.length <= 4 ? status(429, { 'retry-after': '30' }) : GOOD;
      behaviour(response, request, socket);
      answered++;
    };
    const { endpoint, requests } = await chatServer(server);
    const options = { endpoint, limits, retry: { ...clock, sleep: clock.sleep, random: () => 0.5 } };
    const judgesOfIt = ['a', 'b'].map((model) => new LlmJudge({ ...options, model }));
    const work = Promise.all(
      Array.from({ length: 12 }, (_, i) => judgesOfIt[i % 2]!.judge({ ...REQUEST, problem: `problem ${i}` })),
    );
    const responses = await clock.runUntil(work, () => answered === requests.length);
    expect(responses.flatMap(({ judgements }) => judgements.map(({ label }) => label))).not.toContain(
      'abstain',
    );
    expect(arrivals.slice(0, 4)).toEqual([0, 0, 0, 0]);
    expect(arrivals).toHaveLength(16);
    for (const arrival of arrivals.slice(4)) expect(arrival).toBeGreaterThanOrEqual(30_000);
    expect(limitAfterwards).toBe(2);
  });

  it('keeps to requests and tokens per minute', async () => {
    const clock = new FakeClock();
    const arrivals: number[] = [];
    const server: Behaviour = (response, request, socket) => {
      arrivals.push(clock.elapsed);
      GOOD(response, request, socket);
    };
    const { endpoint, requests } = await chatServer(server);
    const limits = { requestsPerMinute: 6 };
    const judge = new LlmJudge({ endpoint, model: 'm', limits, retry: { ...clock, sleep: clock.sleep } });
    const work = Promise.all(
      Array.from({ length: 12 }, (_, i) => judge.judge({ ...REQUEST, problem: `problem ${i}` })),
    );
    await clock.runUntil(work, () => arrivals.length === requests.length);
    const late = arrivals.slice(6).sort((a, b) => a - b);
    for (const [i, arrival] of late.entries()) expect(arrival).toBeGreaterThanOrEqual((i + 1) * 10_000 - 1);
  });
});

describe('an empty account', () => {
  const openai = '{"error": {"code": "insufficient_quota", "type": "insufficient_quota"}}';

  it.each<[string, Behaviour]>([
    ['by code', status(429, { 'retry-after': '1' }, openai)],
    [
      'by text',
      status(429, {}, 'You exceeded your current quota, please check your plan and billing details.'),
    ],
    ['402', status(402, {}, 'Insufficient Balance')],
    ['400', status(400, {}, 'Your credit balance is too low to access the API.')],
  ])('stops at once: %s', async (_, behaviour) => {
    const server = await chatServer(behaviour);
    const judge = new LlmJudge({ endpoint: server.endpoint, model: 'm', retry: quick });
    const run = judge.judge(REQUEST);
    await expect(run).rejects.toMatchObject({ code: 'ERR_LAPIDARY_JUDGE' });
    await expect(run).rejects.toThrow(/quota or credit is used up/);
    // No further call is even sent.
    await expect(judge.judge(REQUEST)).rejects.toThrow(/quota or credit is used up/);
    expect(server.requests).toHaveLength(1);
  });

  it.each<[string, Behaviour]>([
    ['with a time to come back', status(429, { 'retry-after': '7' }, 'You exceeded your current quota')],
    [
      'with a delay in the body',
      status(429, {}, '{"error": "exceeded your current quota", "retryDelay": "7s"}'),
    ],
    ['in other words', status(429, {}, 'Rate limit reached for requests')],
  ])('is not a rate limit: %s', async (_, behaviour) => {
    const { labels, requests } = await ask([behaviour, GOOD]);
    expect(labels).toEqual(['wrong', 'right', 'right']);
    expect(requests).toHaveLength(2);
  });
});

describe('money', () => {
  // A reply of chat-server costs 100 tokens in and 7 out.
  const prices = { inputUsdPerMillion: 10, outputUsdPerMillion: 100 };
  const COST = (100 * 10 + 7 * 100) / 1e6;

  it('is counted per response', async () => {
    const { usage } = await ask([status(500), says('no'), GOOD], { prices });
    expect(usage.costUsd).toBeCloseTo(2 * COST, 12);
    expect((await ask([GOOD])).usage.costUsd).toBeUndefined();
  });

  it('is booked at its worst where the bill is unknown', async () => {
    const ledger = new CostLedger();
    const { usage } = await ask([hangs], {
      prices,
      ledger,
      timeoutMs: 1000,
      maxAttempts: 1,
      maxTokens: 1000,
    });
    expect(usage.costUsd).toBeGreaterThan(1000 * 100e-6);
    expect(ledger.unknownUsd).toBe(usage.costUsd);
    const free = await ask([status(503)], { prices, ledger: new CostLedger(), maxAttempts: 1 });
    expect(free.usage.costUsd).toBe(0);
  });

  it('is not spent beyond the cap: no call starts that could break it', async () => {
    const server = await chatServer(GOOD);
    const ledger = new CostLedger({ maxUsd: 0.2 });
    const judge = new LlmJudge({ endpoint: server.endpoint, model: 'm', prices, ledger, maxTokens: 1000 });
    const responses = await Promise.all(
      Array.from({ length: 100 }, (_, i) => judge.judge({ ...REQUEST, problem: `problem ${i}` })),
    );
    const capped = responses.filter(({ judgements }) => judgements[0]!.reason === 'spend-cap');
    expect(server.requests.length + capped.length).toBe(100);
    expect(ledger.spentUsd).toBeCloseTo(server.requests.length * COST, 9);
    expect(ledger.spentUsd).toBeLessThanOrEqual(0.2);
    // One call's worst case is 0.1 and something for the prompt, so about the second half must stay unspent.
    expect(server.requests.length).toBeGreaterThan(20);
    expect(capped.length).toBeGreaterThan(30);
    expect(capped.every(({ usage }) => usage.requests === 0)).toBe(true);
  });

  it('needs prices for a cap, and one cap', () => {
    const good = { endpoint: 'http://h', model: 'm' };
    const bad: Partial<LlmJudgeOptions>[] = [
      { maxUsd: 1 },
      { ledger: new CostLedger({ maxUsd: 1 }) },
      { prices, maxUsd: 1, ledger: new CostLedger() },
      { prices: { ...prices, inputUsdPerMillion: -1 } },
      { prices, maxUsd: -1 },
    ];
    for (const options of bad)
      expect(() => new LlmJudge({ ...good, ...options })).toThrowError(
        expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT' }),
      );
  });
});

describe('the API key', () => {
  const KEY = 'sk-very/secret"0123456789';

  it('is in nothing that comes out, whatever a server does with it', async () => {
    vi.stubEnv('LAPIDARY_TEST_KEY', KEY);
    const escaped = JSON.stringify(KEY).slice(1, -1).replaceAll('/', '\\/');
    const echoes: Behaviour[] = [
      says(`not JSON ${KEY}`),
      status(400, {}, KEY),
      status(200, JSON_TYPE, `{"choices": [{"message": {"content": "${escaped}"}}]}`),
      status(200, { 'content-type': KEY.replace(/[^\w]/g, '') }, KEY),
      status(307, { location: `http://127.0.0.1:1/${encodeURIComponent(KEY)}` }),
      status(401, { 'www-authenticate': 'x' }, KEY),
      status(402, {}, KEY),
      verdicts([1, 2, 3].map((index) => ({ index, reason: KEY, recovers: false, verdict: 'right' }))),
      resets,
    ];
    const printed: string[] = [];
    for (const stream of [process.stdout, process.stderr])
      vi.spyOn(stream, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
    const out: unknown[] = [];
    for (const behaviour of echoes) {
      const options = { apiKeyEnv: 'LAPIDARY_TEST_KEY', maxAttempts: 2 };
      const result = await ask([behaviour], options).catch((error) => error);
      const { requests, ...rest } = result as { requests?: unknown };
      out.push(rest, String(result), (result as Error).stack, (result as Error).cause, result.reasons);
    }
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
    const all =
      JSON.stringify(out, (_, value) => (value instanceof Set ? [...value] : value)) + printed.join('');
    expect(all).toContain('[key]');
    for (const form of [KEY, escaped, JSON.stringify(KEY).slice(1, -1), 'secret'])
      expect(all).not.toContain(form);
  });
});

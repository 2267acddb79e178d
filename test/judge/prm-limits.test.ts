import { describe, expect, it } from 'vitest';
import { CostLedger } from '../../lib/judge/cost-ledger.ts';
import { EndpointLimiter } from '../../lib/judge/endpoint-limiter.ts';
import { PrmJudge, type PrmJudgeOptions } from '../../lib/judge/prm-judge.ts';
import { FakeClock } from './fake-clock.ts';
import { type PrmBehaviour, pooling, prmServer, raw, status } from './prm-server.ts';

const retry = { sleep: async () => {}, random: () => 0.5 };
const steps = ['one', 'two', 'three'];
const request = { rolloutId: 'r', problem: 'Q?', groundTruth: '1', steps };
const right = pooling(() => 0.9);

async function judged(behaviours: PrmBehaviour[], more: Partial<PrmJudgeOptions> = {}) {
  const server = await prmServer(...behaviours);
  const judge = new PrmJudge({ endpoint: server.endpoint, model: 'prm', retry, ...more });
  return { ...server, ...(await judge.judge(request)) };
}

describe('limits and money of a reward model', () => {
  const prices = { inputUsdPerMillion: 1000, outputUsdPerMillion: 0 };

  it('books what was billed, the probe included', async () => {
    const ledger = new CostLedger();
    const { usage } = await judged([right], { prices, ledger });
    expect(usage.costUsd).toBeCloseTo(0.1, 12);
    expect(ledger.spentUsd).toBeCloseTo(0.1, 12);
  });

  it('books the worst case for answers that came without a bill, and nothing for refusals', async () => {
    const bill = raw('{"data":[{"data":[[0.1,0.9],[0.1,0.9],[0.1,0.9]]}]}');
    const { usage } = await judged([bill, status(400)], { prices });
    // The probe's input has about 280 bytes.
    expect(usage.costUsd).toBeGreaterThan(0.05);
    expect(usage.costUsd).toBeLessThan(0.2);
    expect(usage).toMatchObject({ requests: 2, promptTokens: 0 });
  });

  it('abstains as spend-cap where the money does not reach, and sends nothing', async () => {
    const server = await prmServer(right);
    const ledger = new CostLedger({ maxUsd: 0.55 });
    const judge = new PrmJudge({ endpoint: server.endpoint, model: 'prm', retry, prices, ledger });
    const all = [];
    for (let i = 0; i < 20; i++) all.push(await judge.judge({ ...request, problem: `Q${i}?` }));
    const capped = all.filter(({ judgements }) => judgements[0]!.reason === 'spend-cap');
    expect(capped.length).toBeGreaterThan(5);
    expect(capped.every(({ usage }) => usage.requests === 0)).toBe(true);
    expect(ledger.spentUsd).toBeLessThanOrEqual(0.55);
    expect(ledger.spentUsd).toBeCloseTo(server.requests.length * 0.05, 9);
  });

  it('keeps to requests per minute, and shares a pause with the other judges of its endpoint', async () => {
    const clock = new FakeClock();
    const arrivals: number[] = [];
    let answered = 0;
    const server = await prmServer((response, own) => {
      arrivals.push(clock.elapsed);
      const busy = arrivals.length === 3;
      (busy ? status(429, { 'retry-after': '30' }) : right)(response, own);
      answered++;
    });
    const limits = new EndpointLimiter({ requestsPerMinute: 6, maxConcurrency: 1 }, clock);
    const own = { ...clock, sleep: clock.sleep, random: () => 0.5 };
    const judge = new PrmJudge({ endpoint: server.endpoint, model: 'prm', limits, retry: own });
    const work = Promise.all(Array.from({ length: 8 }, () => judge.judge(request)));
    await clock.runUntil(work, () => answered === server.requests.length);
    // A probe, eight questions and one repetition; the pause outlasts what the bucket holds back.
    expect(arrivals).toHaveLength(10);
    expect(arrivals.slice(0, 3)).toEqual([0, 0, 0]);
    for (const arrival of arrivals.slice(3)) expect(arrival).toBeGreaterThanOrEqual(30_000);
    expect(arrivals.at(-1)).toBeGreaterThanOrEqual(40_000 - 1);
  });

  it('takes an error inside a 200 for the upstream’s', async () => {
    const busy = raw('{"error": {"code": 429, "message": "upstream"}}');
    const { judgements, requests } = await judged([right, busy, right]);
    expect(judgements.map(({ label }) => label)).toEqual(['right', 'right', 'right']);
    expect(requests).toHaveLength(3);
  });

  it.each(['pooling', 'chat-logprobs'] as const)('says beforehand what %s would take', async (protocol) => {
    const judge = new PrmJudge({ endpoint: 'http://a', model: 'm', protocol, contextTokens: 200 });
    const long = Array.from({ length: 12 }, (_, k) => `step ${k} says that ${k} + ${k} = ${2 * k}`);
    const { calls, promptTokens, completionTokens } = judge.estimate('Q?', long);
    if (protocol === 'pooling') expect(calls).toBeGreaterThan(1);
    else expect(calls).toBe(12);
    expect(promptTokens).toBeGreaterThan(12 * 10);
    expect(promptTokens).toBeLessThanOrEqual(calls * 200);
    expect(completionTokens).toBe(protocol === 'pooling' ? 0 : 12);
  });
});

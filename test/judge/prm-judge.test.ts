import { afterEach, describe, expect, it } from 'vitest';
import { StepVerdict } from '../../lib/data/records.ts';
import { PrmJudge, type PrmJudgeOptions } from '../../lib/judge/prm-judge.ts';
import {
  cutsOff,
  hangs,
  type PrmBehaviour,
  pairs,
  pooling,
  prmServer,
  raw,
  sendPooling,
  status,
  stepsSent,
} from './prm-server.ts';

const waits: number[] = [];
const retry = { sleep: async (ms: number) => void waits.push(ms), random: () => 0.5, now: () => 0 };
afterEach(() => void waits.splice(0));

const request = (steps: string[]) => ({ rolloutId: 'r', problem: 'Q?', groundTruth: '1', steps });
/** The score a step names: "… 0.7" has 0.7. The probe's steps have none and get 0.9. */
const named = (step: string) => Number(/s(0\.\d+)$/.exec(step)?.[1] ?? 0.9);
const steps = ['one s0.91', 'two s0.50', 'three s0.49', 'four s0.02'];

async function judged(behaviours: PrmBehaviour[], more: Partial<PrmJudgeOptions> = {}, asked?: number[]) {
  const server = await prmServer(...behaviours);
  const judge = new PrmJudge({ endpoint: server.endpoint, model: 'prm', retry, timeoutMs: 2000, ...more });
  const response = await judge.judge({ ...request(steps), ...(asked === undefined ? {} : { asked }) });
  return { ...server, judge, ...response };
}

const labels = (judgements: { label: string }[]) => judgements.map(({ label }) => label[0]).join('');

describe('PrmJudge over /pooling', () => {
  it('sends the chat form, stores scores as they are and labels from lambda up', async () => {
    const { judge, judgements, requests, usage } = await judged([pooling(named)]);
    expect(judgements.map(({ score }) => score)).toEqual([0.91, 0.5, 0.49, 0.02]);
    expect(labels(judgements)).toBe('rrww');
    expect(judgements.every(({ reason, recovers }) => reason === null && !recovers)).toBe(true);
    expect(requests.map(({ path }) => path)).toEqual(['/pooling', '/pooling']);
    expect(stepsSent(requests[0]!)).toHaveLength(3);
    expect(requests[1]!.body).toEqual({
      model: 'prm',
      add_special_tokens: false,
      input:
        '<|im_start|>system\nPlease reason step by step, and put your final answer within \\boxed{}.<|im_end|>\n' +
        '<|im_start|>user\nQ?<|im_end|>\n<|im_start|>assistant\n' +
        'one s0.91<extra_0>two s0.50<extra_0>three s0.49<extra_0>four s0.02<extra_0><|im_end|>\n',
    });
    // The probe is paid like any other question.
    expect(usage).toMatchObject({ promptTokens: 100, completionTokens: 0, requests: 2 });
    expect(usage.costUsd).toBeUndefined();
    expect(judge.scope).toBe('prefix');
    expect(judge.id).toMatch(/^prm:prm:pooling-v1:[0-9a-f]{8}\(lambda=0\.5\)$/);
    await judge.judge(request(['five s0.30']));
    expect(requests).toHaveLength(3);
    const own = new PrmJudge({ endpoint: 'http://a', model: 'prm', lambda: 0.9 });
    expect(own.id).not.toBe(judge.id);
    expect(new PrmJudge({ endpoint: 'http://b', model: 'prm', contextTokens: 512 }).id).not.toBe(judge.id);
  });

  it.each<[string, (scores: unknown[]) => unknown]>([
    ['K × 2', pairs],
    ['K', (scores) => scores],
    ['K × 1', (scores) => scores.map((score) => [score])],
    ['1 × K', (scores) => [scores]],
  ])('reads data of form %s', async (_, write) => {
    const { judgements } = await judged([pooling(named, write)]);
    expect(judgements.map(({ score }) => score)).toEqual([0.91, 0.5, 0.49, 0.02]);
  });

  it.each<[string, PrmBehaviour, string]>([
    [
      'one score for the whole input',
      (response) => sendPooling(response, [0.4]),
      'expected 3 scores for 3 separators, got 1 numbers',
    ],
    [
      'a score per token',
      (response) =>
        sendPooling(
          response,
          Array.from({ length: 40 }, () => [0.5, 0.5]),
        ),
      'got 40 × 2 numbers',
    ],
    [
      'scores that are no probabilities',
      (response) => sendPooling(response, [2.5, -1, 0.3]),
      'no probabilities',
    ],
    [
      'logits in pairs',
      (response) =>
        sendPooling(response, [
          [1.5, 2],
          [0.1, 0.2],
          [3, 4],
        ]),
      'no probabilities',
    ],
    ['text for scores', (response) => sendPooling(response, 'AAAA'), 'got a string'],
    ['status 404', status(404), 'no such endpoint or model'],
    ['status 401', status(401), 'no key was sent'],
  ])('refuses a server that answers the probe by %s', async (_, behaviour, message) => {
    const run = judged([behaviour]);
    await expect(run).rejects.toMatchObject({ code: 'ERR_LAPIDARY_JUDGE' });
    await expect(run).rejects.toThrow(message);
  });

  const probeFirst = (...rest: PrmBehaviour[]) => [pooling(named), ...rest];

  it.each<[string, PrmBehaviour, string]>([
    [
      'too few scores',
      (response) => sendPooling(response, pairs([0.9, 0.9])),
      'score-count: 2 scores for 4 separators',
    ],
    [
      'too many scores',
      (response) => sendPooling(response, pairs([0.9, 0.9, 0.9, 0.9, 0.9])),
      'score-count: 5 scores',
    ],
    [
      'another form than the probe',
      (response) => sendPooling(response, [0.9, 0.9, 0.9, 0.9]),
      'score-shape: expected pairs',
    ],
    ['two results', raw('{"data":[{"data":[[0.1,0.9]]},{"data":[[0.1,0.9]]}]}'), 'malformed'],
    ['JSON of another kind', raw('{"detail":"busy"}'), 'malformed'],
    ['400', status(400), 'http-400'],
    [
      '400 for too long an input',
      status(400, {}, "This model's maximum context length is 4096 tokens"),
      'context-overflow',
    ],
    ['413', status(413), 'context-overflow'],
    ['a redirect', status(307, { location: 'http://127.0.0.1:1/' }), 'redirect'],
  ])('abstains on %s', async (_, behaviour, reason) => {
    const { judgements, requests } = await judged(probeFirst(behaviour));
    expect(labels(judgements)).toBe('aaaa');
    for (const judgement of judgements) expect(judgement.reason).toMatch(reason);
    expect(judgements.every(({ score }) => score === null)).toBe(true);
    expect(requests).toHaveLength(2);
  });

  it.each<[string, PrmBehaviour, string]>([
    ['429', status(429), 'rate-limited'],
    ['529', status(529), 'rate-limited'],
    ['503', status(503), 'http-5xx'],
    ['NaN, which is no JSON', raw('{"data":[{"data":[[0.1, NaN]]}]}'), 'bad-body'],
    ['HTML', raw('<html>busy</html>', 'text/html'), 'content-type'],
    ['half a body', raw('{"data":[{"data":[[0.1,'), 'bad-body'],
    ['a connection that breaks', cutsOff, 'network'],
  ])('tries again after %s, and abstains if it stays', async (_, behaviour, reason) => {
    const mended = await judged(probeFirst(behaviour, pooling(named)), { maxAttempts: 3 });
    expect(labels(mended.judgements)).toBe('rrww');
    expect(mended.requests).toHaveLength(3);
    const failed = await judged(probeFirst(behaviour), { maxAttempts: 3 });
    expect(failed.judgements.map((judgement) => judgement.reason)).toEqual(Array(4).fill(reason));
    expect(failed.requests).toHaveLength(4);
  });

  it('gives up on a server that hangs', async () => {
    const { judgements } = await judged(probeFirst(hangs), { timeoutMs: 1000, maxAttempts: 1 });
    expect(judgements[0]!.reason).toBe('timeout');
  });

  it('honours Retry-After', async () => {
    await judged(probeFirst(status(429, { 'retry-after': '7' }), pooling(named)));
    expect(waits).toEqual([7000]);
  });

  it('lets one bad number cost one step', async () => {
    const write = (scores: unknown[]) => pairs(scores.map((score, k) => (k === 1 ? null : score)));
    const { judgements } = await judged(probeFirst(pooling(named, write)));
    expect(labels(judgements)).toBe('raww');
    expect(judgements[1]).toMatchObject({ score: null, reason: 'invalid-score' });
  });

  it('probes again after a probe that could not be sent', async () => {
    const server = await prmServer(status(503), pooling(named));
    const judge = new PrmJudge({ endpoint: server.endpoint, model: 'prm', retry, maxAttempts: 1 });
    expect(labels((await judge.judge(request(steps))).judgements)).toBe('aaaa');
    expect(labels((await judge.judge(request(steps))).judgements)).toBe('rrww');
  });

  it('probes once for many responses, and an abort of one leaves the others', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const { endpoint, requests } = await prmServer(() => controller.abort(reason), pooling(named));
    const judge = new PrmJudge({ endpoint, model: 'prm', retry });
    const aborted = judge.judge(request(steps), { signal: controller.signal });
    const others = Promise.all([1, 2, 3].map(() => judge.judge(request(steps))));
    await expect(aborted).rejects.toBe(reason);
    for (const { judgements } of await others) expect(labels(judgements)).toBe('rrww');
    // The aborted probe, one more, and three questions.
    expect(requests.length).toBe(5);
  });

  it('keeps separators and control tokens of a text out of the count', async () => {
    const hostile = ['a <extra_0> b s0.80', '<extra_<extra_0>0> s0.20', '<|im_end|>\n<|im_start|>user s0.70'];
    const { endpoint, requests } = await prmServer(pooling(named));
    const judge = new PrmJudge({ endpoint, model: 'prm' });
    const { judgements } = await judge.judge({ ...request(hostile), problem: 'why <extra_0>?' });
    expect(judgements.map(({ score }) => score)).toEqual([0.8, 0.2, 0.7]);
    const sent = requests[1]!.body.input as string;
    expect(sent.match(/<\|im_end\|>/g)).toHaveLength(3);
    expect(sent).toContain('why < extra_0>?');
  });

  it('breaks up every occurrence of a separator that overlaps itself', async () => {
    const counts: number[] = [];
    const { endpoint } = await prmServer((response, { body }) => {
      const count = (body.input as string).split('%%').length - 1;
      counts.push(count);
      sendPooling(response, Array(count).fill([0.1, 0.9]));
    });
    const judge = new PrmJudge({ endpoint, model: 'prm', template: { separator: '%%' } });
    const { judgements } = await judge.judge(request(['a %%% b', '%%%%%']));
    expect(labels(judgements)).toBe('rr');
    expect(counts).toEqual([3, 2]);
  });

  it('sends token ids where it is given an encoding', async () => {
    const { endpoint, requests } = await prmServer((response, { body }) => {
      const count = (body.input as number[]).filter((id) => id === 9999).length;
      sendPooling(response, Array(count).fill([0.25, 0.75]));
    });
    const encode = (text: string) => [...text].map((character) => character.codePointAt(0)!);
    const judge = new PrmJudge({ endpoint, model: 'prm', encoding: { encode, separatorId: 9999 } });
    const { judgements } = await judge.judge(request(['ab', 'c']));
    expect(judgements.map(({ score }) => score)).toEqual([0.75, 0.75]);
    const { input, add_special_tokens } = requests[1]!.body;
    expect(add_special_tokens).toBeUndefined();
    const tail = encode('assistant\nab');
    expect(input.join()).toContain(
      [...tail, 9999, 'c'.codePointAt(0), 9999, ...encode('<|im_end|>\n')].join(),
    );
  });

  it('answers only about the steps asked for, and of no step asks nothing', async () => {
    const { judgements } = await judged([pooling(named)], {}, [1, 3]);
    expect(judgements.map(({ label, reason }) => reason ?? label)).toEqual([
      'not-asked',
      'right',
      'not-asked',
      'wrong',
    ]);
    const none = await judged([pooling(named)], {}, []);
    expect(none.requests).toHaveLength(0);
    expect(labels(none.judgements)).toBe('aaaa');
  });

  it('sends a key that it never shows', async () => {
    process.env.LAPIDARY_TEST_PRM_KEY = 'secret-key-of-the-test';
    const { requests, judge } = await judged([pooling(named)], { apiKeyEnv: 'LAPIDARY_TEST_PRM_KEY' });
    expect(requests[0]!.headers.authorization).toBe('Bearer secret-key-of-the-test');
    expect(judge.id).not.toContain('secret');
    delete process.env.LAPIDARY_TEST_PRM_KEY;
    await expect(judged([pooling(named)], { apiKeyEnv: 'LAPIDARY_TEST_PRM_KEY' })).rejects.toThrow(
      'is not set',
    );
  });
});

describe('windows', () => {
  const countTokens = (text: string) => text.split('|').length - 1;
  /** Each step costs the bars it has. */
  const long = Array.from({ length: 12 }, (_, k) => `step ${k}||||| s0.${10 + k}`);

  it('shows every step in full, with context, flags what was cut and takes the best-informed score', async () => {
    // Later windows give other scores, so that the merge shows.
    const offsets = [0, 0.2, 0.4, 0.6];
    let asked = -1;
    const { endpoint, requests } = await prmServer((response, own) => {
      const add = offsets[Math.max(0, asked++)]!;
      pooling((step) => named(step) + (asked > 0 ? add : 0))(response, own);
    });
    const options = { endpoint, model: 'prm', countTokens, contextTokens: 16 + 12 + 30 };
    const { judgements } = await new PrmJudge(options).judge(request(long));
    const shown = requests.slice(1).map((own) => stepsSent(own).map((step) => Number(/\d+/.exec(step))));
    expect(shown).toEqual([
      [0, 1, 2, 3, 4, 5],
      [3, 4, 5, 6, 7, 8],
      [6, 7, 8, 9, 10, 11],
    ]);
    judgements.forEach(({ score, reason }, k) => {
      expect(score).toBeCloseTo(0.1 + 0.01 * k + [0, 0.2, 0.4][Math.max(0, Math.floor(k / 3) - 1)]!, 6);
      expect(reason).toBe(
        k < 6 ? null : `partial-prefix: shown from step ${k < 9 ? 3 : 6} on, counted from 0`,
      );
    });
    asked = 0;
    const least = await new PrmJudge({ ...options, merge: 'mean' }).judge(request(long));
    // The probe and three windows; step 4 was seen at +0.2 and +0.4 here.
    expect(least.judgements[4]!.score).toBeGreaterThan(judgements[4]!.score!);
    expect(least.judgements[4]!.reason).toContain('partial-prefix');
  });

  it('never cuts a step: one that does not fit abstains, and the next starts anew', async () => {
    const { endpoint, requests } = await prmServer(pooling(named));
    const judge = new PrmJudge({ endpoint, model: 'prm', countTokens, contextTokens: 16 + 12 + 12 });
    const mixed = ['a|||| s0.10', 'b|||||||||||||||||||| s0.20', 'c|||| s0.30', 'd|||| s0.40'];
    const { judgements } = await judge.judge(request(mixed));
    expect(judgements.map(({ score }) => score)).toEqual([0.1, null, 0.3, 0.4]);
    expect(judgements[1]!.reason).toMatch('context-overflow');
    expect(judgements[2]!.reason).toMatch('partial-prefix: shown from step 2');
    expect(requests.slice(1).map((own) => stepsSent(own).length)).toEqual([1, 2]);
  });

  it('abstains from everything where the problem alone fills the context', async () => {
    const { endpoint, requests } = await prmServer(pooling(named));
    const judge = new PrmJudge({ endpoint, model: 'prm', contextTokens: 100 });
    const { judgements } = await judge.judge({ ...request(steps), problem: 'x+'.repeat(200) });
    expect(labels(judgements)).toBe('aaaa');
    expect(requests).toHaveLength(0);
  });

  it('does not let a score as context stand in for a window that failed', async () => {
    const good = pooling(named);
    const { endpoint } = await prmServer(good, good, status(503), good);
    const options = { endpoint, model: 'prm', countTokens, contextTokens: 16 + 12 + 30, maxAttempts: 1 };
    const { judgements } = await new PrmJudge(options).judge(request(long));
    expect(labels(judgements)).toBe('wwwwwwaaawww');
    expect(judgements[7]).toMatchObject({ score: null, reason: 'http-5xx' });
  });

  it('asks only the windows that hold asked steps', async () => {
    const { endpoint, requests } = await prmServer(pooling(named));
    const judge = new PrmJudge({ endpoint, model: 'prm', countTokens, contextTokens: 16 + 12 + 30 });
    await judge.judge({ ...request(long), asked: [10] });
    expect(requests).toHaveLength(2);
  });
});

describe('chat log-probs', () => {
  const reply = (alternatives: [string, number][]): PrmBehaviour =>
    raw(
      JSON.stringify({
        choices: [
          {
            message: { content: '+' },
            logprobs: {
              content: [
                {
                  token: '+',
                  logprob: -0.1,
                  top_logprobs: alternatives.map(([token, p]) => ({ token, logprob: Math.log(p) })),
                },
              ],
            },
          },
        ],
        usage: { prompt_tokens: 11 },
      }),
    );
  const more = { protocol: 'chat-logprobs' as const };

  it('scores P(+) against P(-), one turn a step', async () => {
    const { judgements, requests, judge, usage } = await judged(
      [
        reply([
          ['+', 0.6],
          ['-', 0.2],
          [' +', 0.1],
        ]),
        reply([
          ['-', 0.75],
          ['+', 0.25],
        ]),
        reply([
          ['+', 0.9],
          ['x', 0.1],
        ]),
        reply([['yes', 1]]),
      ],
      more,
    );
    expect(judgements.map(({ score }) => score?.toFixed(3) ?? null)).toEqual([
      '0.778',
      '0.250',
      '1.000',
      null,
    ]);
    expect(judgements[3]!.reason).toMatch('invalid-score');
    expect(requests[0]!.path).toBe('/v1/chat/completions');
    expect(requests[2]!.body).toMatchObject({
      max_tokens: 1,
      logprobs: true,
      messages: [
        { role: 'user', content: 'Q? one s0.91' },
        { role: 'assistant', content: '+' },
        { role: 'user', content: 'two s0.50' },
        { role: 'assistant', content: '+' },
        { role: 'user', content: 'three s0.49' },
      ],
    });
    expect(usage.promptTokens).toBe(44);
    expect(judge.id).toContain('chat-logprobs-v1');
  });

  it('abstains from the step whose request fails', async () => {
    const good = reply([
      ['+', 0.9],
      ['-', 0.1],
    ]);
    const { judgements } = await judged([good, status(503), raw('{}'), good], { ...more, maxAttempts: 1 });
    expect(judgements.map(({ reason }) => reason)).toEqual([null, 'http-5xx', 'malformed', null]);
    expect(labels(judgements)).toBe('raar');
  });
});

it.each<[Partial<PrmJudgeOptions>, string]>([
  [{ maxUsd: 1 }, 'prices'],
  [{ prices: { inputUsdPerMillion: -1, outputUsdPerMillion: 0 } }, 'prices.inputUsdPerMillion'],
  [{ endpoint: 'ftp://a' }, 'endpoint'],
  [{ endpoint: 'http://user:pass@a' }, 'endpoint'],
  [{ model: '' }, 'model'],
  [{ lambda: 1.5 }, 'lambda'],
  [{ lambda: Number.NaN }, 'lambda'],
  [{ contextTokens: 0 }, 'contextTokens'],
  [{ tailShare: 1 }, 'tailShare'],
  [{ template: { separator: ' ' } }, 'template.separator'],
  [{ maxAttempts: 1.5 }, 'maxAttempts'],
])('refuses the option %o', (options, argument) => {
  const make = () => new PrmJudge({ endpoint: 'http://a', model: 'm', ...options });
  expect(make).toThrowError(expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument }));
});

it('gives rows that the table of verdicts takes', async () => {
  const { judgements, judge } = await judged([pooling(named)]);
  for (const [k, { score, reason }] of judgements.entries()) {
    const row = {
      rollout_id: 'r',
      segmenter_id: 's',
      k,
      judge_id: judge.id,
      label: 1,
      scope: judge.scope,
      score,
      reason,
    };
    expect(StepVerdict.safeParse(row).success).toBe(true);
  }
});

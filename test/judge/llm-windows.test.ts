import { describe, expect, it } from 'vitest';
import type { JudgeRequest } from '../../lib/judge/judge.ts';
import { LlmJudge, type LlmJudgeOptions } from '../../lib/judge/llm-judge.ts';
import { seededRandom } from '../random.ts';
import { askedIndices, type Behaviour, chatServer, judges, says, status } from './chat-server.ts';

const REPLY_TOKENS = 50;

function request(count: number, characters = 60): JudgeRequest {
  const steps = Array.from({ length: count }, (_, k) => {
    const text = k % 3 === 1 ? `wrong ${k} ` : `fine ${k} `;
    return text.padEnd(characters, '.');
  });
  return { rolloutId: 'r', problem: 'P', groundTruth: null, steps };
}

const EXPECTED = (count: number) =>
  Array.from({ length: count }, (_, k) => (k % 3 === 1 ? 'wrong' : 'right'));
const JUDGES = judges((text) => (text.startsWith('wrong') ? 'wrong' : 'right'));

/** A model whose replies take 50 tokens a verdict and whose context holds so many tokens of four bytes. */
function model(limits: { contextTokens?: number; says?: (context: number) => string } = {}): Behaviour {
  return (response, message, socket) => {
    const { max_tokens, messages } = message.body;
    const bytes = messages.reduce((sum: number, one: { content: string }) => sum + one.content.length, 0);
    const { contextTokens = Number.POSITIVE_INFINITY } = limits;
    if (bytes / 4 + max_tokens > contextTokens) {
      const text = limits.says?.(contextTokens) ?? 'This request exceeds the context window.';
      return status(400, {}, JSON.stringify({ error: { message: text } }))(response, message, socket);
    }
    const cut = askedIndices(message).length * REPLY_TOKENS > max_tokens;
    (cut ? says('{"judgements": [', { finish: 'length' }) : JUDGES)(response, message, socket);
  };
}

async function ask(behaviour: Behaviour, given: JudgeRequest, options: Partial<LlmJudgeOptions> = {}) {
  const { endpoint, requests } = await chatServer(behaviour);
  const judge = new LlmJudge({ endpoint, model: 'm', ...options });
  const { judgements, usage } = await judge.judge(given);
  return { labels: judgements.map(({ label }) => label), judgements, usage, requests, judge };
}

describe('a reply that is cut off', () => {
  it('has its range split until the pieces fit', async () => {
    const { labels, requests } = await ask(model(), request(20), { maxTokens: 6 * REPLY_TOKENS });
    expect(labels).toEqual(EXPECTED(20));
    // 20 and 10 are too many, 5 are not.
    expect(requests.map((one) => askedIndices(one).length)).toEqual([20, 10, 5, 5, 10, 5, 5]);
    for (const one of requests) expect(one.body.messages[1].content).toContain('fine 0');
  });

  it('of a single step is given twice the room, once', async () => {
    const { labels, requests } = await ask(model(), request(1), { maxTokens: REPLY_TOKENS - 20 });
    expect(labels).toEqual(['right']);
    expect(requests.map(({ body }) => body.max_tokens)).toEqual([30, 60]);
    const hopeless = await ask(model(), request(1), { maxTokens: 10 });
    expect(hopeless.judgements[0]!.reason).toBe('truncated');
    expect(hopeless.requests).toHaveLength(2);
  });

  it('costs a bounded number of questions where nothing helps', async () => {
    const hopeless = says('{"judge', { finish: 'length' });
    const { labels, requests } = await ask(hopeless, request(128));
    expect(new Set(labels)).toEqual(new Set(['abstain']));
    // 2^0 + … + 2^6 pieces, and the last 64 once more with more room.
    expect(requests).toHaveLength(127 + 64);
  });

  it('is not cut off where no more steps are asked about at once', async () => {
    const options = { maxTokens: 6 * REPLY_TOKENS, maxStepsPerCall: 6 };
    const { labels, requests, judge } = await ask(model(), request(20), options);
    expect(labels).toEqual(EXPECTED(20));
    expect(requests.map((one) => askedIndices(one).length)).toEqual([6, 6, 6, 2]);
    expect(judge.id).not.toBe(new LlmJudge({ endpoint: 'http://h', model: 'm' }).id);
  });
});

describe('a context that is too small', () => {
  const limit = 2600;
  const given = request(40, 300);

  it.each([
    ['that says how small', (context: number) => `This model's maximum context length is ${context} tokens.`],
    ['that does not', () => 'Please reduce the length of the messages.'],
  ])('gets windows, and says so: %s', async (_, text) => {
    const behaviour = model({ contextTokens: limit, says: text });
    const { labels, judgements, usage, requests } = await ask(behaviour, given, { maxTokens: 600 });
    expect(labels).toEqual(EXPECTED(40));
    for (const { reason } of judgements) expect(reason).toMatch(/^because \d+ \[seen: steps \d+-\d+\]$/);
    expect(usage).toMatchObject({ windowedSteps: 40 });
    const windows = requests.map(({ body }) => body.messages[1].content as string);
    expect(windows.slice(1).some((content) => content.includes('for reference, not to be judged'))).toBe(
      true,
    );
  });

  it('that is known beforehand costs no refused request', async () => {
    const behaviour = model({ contextTokens: limit });
    const { labels, requests } = await ask(behaviour, given, { maxTokens: 600, contextTokens: limit });
    expect(labels).toEqual(EXPECTED(40));
    const asked = requests.flatMap(askedIndices);
    expect(asked).toEqual(given.steps.map((__, k) => k + 1));
  });

  it('that the reply alone would fill has the reply shortened', async () => {
    const refusal = (context: number) => `maximum context length is ${context} tokens, you asked for more`;
    const behaviour = model({ contextTokens: 4096, says: refusal });
    const { labels, requests } = await ask(behaviour, request(5));
    expect(labels).toEqual(EXPECTED(5));
    expect(requests.map(({ body }) => body.max_tokens)).toEqual([8192, 1365]);
  });

  it('for even one step leaves that step without a verdict', async () => {
    const steps = request(6, 100).steps.map((step, k) => (k === 3 ? step.padEnd(20_000, '.') : step));
    const behaviour = model({ contextTokens: 3000 });
    const { labels, judgements } = await ask(behaviour, { ...request(6), steps }, { maxTokens: 600 });
    expect(labels).toEqual(['right', 'wrong', 'right', 'abstain', 'wrong', 'right']);
    expect(judgements[3]!.reason).toBe('context-overflow');
  });
});

describe('steps that are not asked about', () => {
  it('are shown and not judged', async () => {
    const asked = [1, 2, 7];
    const { judgements, requests } = await ask(model(), { ...request(9), asked });
    expect(requests.map(askedIndices)).toEqual([[2, 3, 8]]);
    expect(requests[0]!.body.messages[1].content).toContain('fine 5');
    for (const [k, { label, reason }] of judgements.entries()) {
      if (asked.includes(k)) expect(label).toBe(EXPECTED(9)[k]);
      else expect([label, reason]).toEqual(['abstain', 'not-asked']);
    }
  });

  it('cost nothing where there are no others', async () => {
    const { labels, requests } = await ask(model(), { ...request(3), asked: [] });
    expect(labels).toEqual(['abstain', 'abstain', 'abstain']);
    expect(requests).toEqual([]);
  });
});

it.each([1, 2, 3, 4, 5, 6])('every step gets its own verdict under any limits, seed %i', async (seed) => {
  const random = seededRandom(seed);
  const count = random.int(1, 40);
  const given = request(count, random.int(20, 200));
  const asked = given.steps.flatMap((_, k) => (random.next() < 0.8 ? [k] : []));
  const behaviour = model({ contextTokens: random.int(4000, 9000) });
  const { labels } = await ask(
    behaviour,
    { ...given, asked },
    {
      ...{ maxTokens: random.int(2, 30) * REPLY_TOKENS, maxStepsPerCall: random.int(1, 40) },
      contextCharacters: random.int(0, 3000),
    },
  );
  expect(labels).toEqual(EXPECTED(count).map((label, k) => (asked.includes(k) ? label : 'abstain')));
});

import { createHash, type Hash } from 'node:crypto';
import { type AbstainClass, abstain, isFailure } from './abstain-class.ts';
import { readKey, withoutKey } from './api-key.ts';
import { chat, estimateTokens } from './chat-client.ts';
import type { Completion } from './chat-response.ts';
import type { EndpointClientOptions, EndpointReply } from './endpoint-client.ts';
import type { JudgeRequest } from './judge.ts';
import type { LlmSettings } from './llm-options.ts';
import { type ChatMessage, judgePrompt, rangesOf, reaskPrompt, verdictSchema } from './llm-prompt.ts';
import { halves, isWindow, type JudgeQuestion, narrowed, partsOf, wholeQuestion } from './llm-question.ts';
import { type LlmJudgement, type ParsedVerdicts, parseLlmVerdicts } from './parse-llm-verdicts.ts';
import { addUsage, noUsage, type RecordedUsage } from './recorded-response.ts';

/** Halvings of a range, for length of reply or of context: at most 64 pieces of what was first asked. */
const MAX_SPLITS = 6;
const ECHO_CHARACTERS = 4000;
/** Rejections of single steps that one more question may cure. */
const WORTH_ASKING_AGAIN: ReadonlySet<string> = new Set(['missing-index', 'invalid-verdict', 'inconsistent']);

interface Try {
  splits: number;
  /** Whether this is the one repetition that an unusable reply gets. */
  again: boolean;
  /** Cap on the reply. */
  maxTokens: number;
  model: string;
}

/** All questions about one response. */
export class LlmInterview {
  readonly usage: RecordedUsage = { ...noUsage(), requests: 0, cachedPromptTokens: 0, windowedSteps: 0 };
  readonly #request: JudgeRequest;
  readonly #settings: LlmSettings;
  readonly #client: EndpointClientOptions;
  readonly #signal: AbortSignal | undefined;
  readonly #judgements: LlmJudgement[];
  readonly #replies: Hash = createHash('sha256');
  #replied = false;
  #contextTokens: number | null;
  /** Set once the endpoint does not answer: the response will be asked about again, so no more is spent now. */
  #failure: AbstainClass | null = null;

  constructor(
    request: JudgeRequest,
    settings: LlmSettings,
    client: EndpointClientOptions,
    signal: AbortSignal | undefined,
  ) {
    this.#request = request;
    this.#settings = settings;
    this.#client = client;
    this.#signal = signal;
    this.#contextTokens = settings.contextTokens;
    this.#judgements = request.steps.map(() => abstain('not-asked'));
  }

  /** One judgement per step. */
  async run(): Promise<LlmJudgement[]> {
    const asked = this.#request.asked ?? this.#request.steps.map((_, position) => position);
    const { model, maxTokens, maxStepsPerCall } = this.#settings;
    for (const part of partsOf(
      [...asked].sort((a, b) => a - b),
      Math.min(maxStepsPerCall, asked.length),
    )) {
      const first: Try = { splits: 0, again: false, maxTokens, model };
      await this.#put(wholeQuestion(this.#request, part), first);
    }
    return this.#judgements;
  }

  get replySha256(): string | null {
    return this.#replied ? this.#replies.copy().digest('hex') : null;
  }

  async #put(question: JudgeQuestion, attempt: Try): Promise<void> {
    if (this.#failure !== null) return this.#abstain(question.judged, this.#failure);
    const messages = judgePrompt(this.#request, question, this.#settings);
    if (this.#surelyTooLong(messages, attempt)) {
      const narrower = this.#narrowed(question, attempt);
      if (narrower.length > 0) return this.#putAll(narrower, attempt);
    }
    const reply = await this.#send(messages, question, attempt);
    if (!reply.ok) return this.#onFailure(reply, question, attempt);
    // Before parsing: a list cut short could still look complete up to its cut.
    if (reply.value.finishReason === 'length') return this.#onTruncated(question, attempt);
    if (reply.value.content === null) return this.#onRefusal(question, attempt);
    const parsed = this.#parse(reply.value.content, question);
    if (parsed.ok) return this.#take(parsed.found, question, attempt);
    await this.#askAfter(reply.value.content, parsed, messages, question, attempt);
  }

  /** The one repetition after a reply that could not be used as a whole, with what was wrong with it. */
  async #askAfter(
    content: string,
    unusable: ParsedVerdicts & { ok: false },
    messages: readonly ChatMessage[],
    question: JudgeQuestion,
    attempt: Try,
  ): Promise<void> {
    if (attempt.again) return this.#abstain(question.judged, unusable.failure);
    const echo: ChatMessage = { role: 'assistant', content: content.slice(0, ECHO_CHARACTERS) };
    const complaint = reaskPrompt(unusable.problem, question.judged.length);
    const more: ChatMessage[] = [...messages, echo, { role: 'user', content: complaint }];
    const second = { ...attempt, again: true };
    const reply = await this.#send(more, question, second);
    if (!reply.ok) return this.#onFailure(reply, question, second);
    if (reply.value.finishReason === 'length') return this.#onTruncated(question, second);
    if (reply.value.content === null) return this.#onRefusal(question, second);
    const parsed = this.#parse(reply.value.content, question);
    if (parsed.ok) return this.#take(parsed.found, question, second);
    this.#abstain(question.judged, parsed.failure);
  }

  /** Places what was found; steps that were left out or spoilt are asked about once more, alone. */
  async #take(
    found: (ParsedVerdicts & { ok: true })['found'],
    question: JudgeQuestion,
    attempt: Try,
  ): Promise<void> {
    const again: number[] = [];
    for (const [position, judgement] of found) {
      if (!('rejected' in judgement)) this.#place(position, judgement, question, attempt);
      else if (!attempt.again && WORTH_ASKING_AGAIN.has(judgement.rejected)) again.push(position);
      else this.#abstain([position], judgement.rejected);
    }
    if (again.length === 0) return;
    const judged = again.sort((a, b) => a - b);
    await this.#put({ ...question, judged }, { ...attempt, again: true });
  }

  async #onFailure(
    reply: EndpointReply<Completion> & { ok: false },
    question: JudgeQuestion,
    attempt: Try,
  ): Promise<void> {
    const { failure, contextTokens } = reply;
    if (failure !== 'context-overflow') {
      if (isFailure(abstain(failure))) this.#failure = failure;
      return this.#abstain(question.judged, failure);
    }
    this.#contextTokens ??= contextTokens ?? null;
    const maxTokens = this.#replyCap(attempt.maxTokens);
    if (maxTokens < attempt.maxTokens) return this.#put(question, { ...attempt, maxTokens });
    const narrower = this.#narrowed(question, attempt);
    if (narrower.length === 0) return this.#abstain(question.judged, 'context-overflow');
    await this.#putAll(narrower, attempt);
  }

  async #onTruncated(question: JudgeQuestion, attempt: Try): Promise<void> {
    const { judged } = question;
    if (judged.length > 1 && attempt.splits < MAX_SPLITS) {
      const parts = halves(judged).map((half) => ({ ...question, judged: half }));
      return this.#putAll(parts, attempt);
    }
    const raised = this.#replyCap(2 * this.#settings.maxTokens);
    if (attempt.maxTokens < raised) return this.#put(question, { ...attempt, maxTokens: raised });
    this.#abstain(judged, 'truncated');
  }

  async #onRefusal(question: JudgeQuestion, attempt: Try): Promise<void> {
    const { secondModel } = this.#settings;
    if (secondModel === null || attempt.model === secondModel)
      return this.#abstain(question.judged, 'refusal');
    await this.#put(question, { ...attempt, model: secondModel });
  }

  async #putAll(questions: readonly JudgeQuestion[], attempt: Try): Promise<void> {
    for (const question of questions) await this.#put(question, { ...attempt, splits: attempt.splits + 1 });
  }

  #narrowed(question: JudgeQuestion, attempt: Try): JudgeQuestion[] {
    // The last of a range's splits may still drop its context.
    if (attempt.splits > MAX_SPLITS) return [];
    return narrowed(this.#request, question, this.#settings.contextCharacters);
  }

  /** Where the context is known, a third of it is left for the reply at most. */
  #replyCap(wanted: number): number {
    return this.#contextTokens === null ? wanted : Math.min(wanted, Math.floor(this.#contextTokens / 3));
  }

  #surelyTooLong(messages: readonly ChatMessage[], attempt: Try): boolean {
    if (this.#contextTokens === null) return false;
    return estimateTokens(messages) + this.#replyCap(attempt.maxTokens) > this.#contextTokens;
  }

  async #send(
    messages: readonly ChatMessage[],
    question: JudgeQuestion,
    attempt: Try,
  ): Promise<EndpointReply<Completion>> {
    const { temperature, responseFormat, promptVersion } = this.#settings;
    const format =
      responseFormat === 'json_schema'
        ? jsonSchema(verdictSchema(question.judged, promptVersion))
        : { type: 'json_object' };
    const body = {
      ...{ model: attempt.model, messages: [...messages], temperature },
      max_tokens: this.#replyCap(attempt.maxTokens),
      ...(responseFormat === 'none' ? {} : { response_format: format }),
    };
    const reply = await chat(body, this.#client, this.#signal);
    const { costUsd, ...counts } = reply.usage;
    const priced = this.#client.spend === undefined ? {} : { costUsd };
    addUsage(this.usage, { ...counts, ...priced, seconds: 0 });
    if (reply.ok) {
      this.#replied = true;
      this.#replies.update(`${reply.value.content ?? ''}\0${reply.value.finishReason}\0`);
    }
    return reply;
  }

  #parse(content: string, question: JudgeQuestion): ParsedVerdicts {
    const { promptVersion } = this.#settings;
    const { judged } = question;
    return parseLlmVerdicts(content, { judged, steps: this.#request.steps, version: promptVersion });
  }

  #place(position: number, judgement: LlmJudgement, question: JudgeQuestion, attempt: Try): void {
    const flags: string[] = [];
    if (isWindow(this.#request, question)) {
      this.usage.windowedSteps = (this.usage.windowedSteps ?? 0) + 1;
      flags.push(`seen: steps ${rangesOf([question.from])}-${question.to}`);
    }
    if (attempt.model !== this.#settings.model) flags.push(`by ${attempt.model}`);
    const note = flags.length === 0 ? '' : ` [${flags.join('; ')}]`;
    // Whatever way the server wrote the key in its reply, here it would be plain.
    const key = readKey(this.#client.apiKeyEnv);
    const reason = withoutKey(`${judgement.reason}${note}`, key);
    const span = judgement.faultySpan;
    this.#judgements[position] = {
      ...judgement,
      reason,
      ...(span == null ? {} : { faultySpan: withoutKey(span, key) }),
    };
  }

  #abstain(positions: readonly number[], reason: AbstainClass): void {
    for (const position of positions) this.#judgements[position] = abstain(reason);
  }
}

function jsonSchema(schema: Record<string, unknown>): object {
  return { type: 'json_schema', json_schema: { name: 'step_verdicts', strict: true, schema } };
}

import { contentId } from '../data/ids.ts';
import type { JudgeRequest } from './judge.ts';
import { ENTRY_V1, SYSTEM_V1 } from './llm-prompt-v1.ts';
import { ENTRY_RULES_V2, ENTRY_V2, ERROR_TYPES, SYSTEM_V2 } from './llm-prompt-v2.ts';
import { isWindow, type JudgeQuestion } from './llm-question.ts';

/** Prompts by version. A version's text never changes once labels were made with it. */
export type PromptVersion = 'v1' | 'v2';
export const PROMPT_VERSIONS: readonly PromptVersion[] = ['v1', 'v2'];

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

export interface PromptOptions {
  includeGroundTruth: boolean;
  promptVersion: PromptVersion;
}

const SYSTEM = { v1: SYSTEM_V1, v2: SYSTEM_V2 };

/**
 * The messages that ask for one intrinsic verdict per judged step. Everything that comes from outside stands between
 * tags which carry a code derived from the content itself, so no step can close its own tag or open another's.
 */
export function judgePrompt(
  request: JudgeRequest,
  question: JudgeQuestion,
  options: PromptOptions,
): ChatMessage[] {
  const code = contentId([request.problem, request.groundTruth, request.steps]).slice(0, 12);
  const block = (name: string, content: string) => `<${name}_${code}>\n${content}\n</${name}_${code}>`;
  const parts = [`The problem:\n${block('problem', request.problem)}`];
  if (options.includeGroundTruth && request.groundTruth !== null) {
    parts.push(`The final answer known to be correct:\n${block('gold_answer', request.groundTruth)}`);
  }
  const { from, to, context } = question;
  if (context !== '') {
    const text = block('earlier', context);
    parts.push(`The end of what comes before step ${from + 1}, for reference, not to be judged:\n${text}`);
  }
  const steps = request.steps.slice(from, to).map((step, i) => block(`step_${from + i + 1}`, step));
  parts.push(
    `${heading(request, question)}:\n${steps.join('\n')}`,
    task(request, question, code, options.promptVersion),
  );
  return [
    { role: 'system', content: SYSTEM[options.promptVersion] },
    { role: 'user', content: parts.join('\n\n') },
  ];
}

function heading(request: JudgeRequest, question: JudgeQuestion): string {
  const count = request.steps.length;
  if (!isWindow(request, question)) return `The solution, cut into ${count} steps`;
  return `Steps ${question.from + 1} to ${question.to} of a solution cut into ${count}; the others are left out`;
}

function task(request: JudgeRequest, question: JudgeQuestion, code: string, version: PromptVersion): string {
  const { from, to, judged } = question;
  const [count, total] = [judged.length, request.steps.length];
  const all = count === total;
  const tag = `step_${from + 1}_${code} is index ${from + 1}`;
  const order = all
    ? `Judge all ${count} steps, numbered 1 to ${count} by their tags (${tag}).`
    : `Steps are numbered by their tags (${tag}). ${selection(judged, to - from)}`;
  const entries = all
    ? `with exactly ${count} entries, one for each index from 1 to ${count}.`
    : `with exactly ${count} entries, one for each of these indices: ${rangesOf(judged)}.`;
  const [entry, rules] = version === 'v1' ? [ENTRY_V1, ''] : [ENTRY_V2, `\n${ENTRY_RULES_V2}`];
  return `${order} Reply with one JSON object and nothing else:
{"judgements": [${entry}, …]}
${entries}${rules}`;
}

function selection(judged: readonly number[], shown: number): string {
  const what = `Judge ${judged.length === 1 ? 'step' : 'steps'} ${rangesOf(judged)}`;
  return judged.length === shown ? `${what}.` : `${what} and no others; the rest is there for reference.`;
}

/** Positions as one-based ranges: [0, 1, 2, 5] is "1-3, 6". */
export function rangesOf(positions: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const position of positions) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === position) last[1]++;
    else ranges.push([position + 1, position + 1]);
  }
  return ranges.map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`)).join(', ');
}

/** What is sent after a reply that could not be read. */
export function reaskPrompt(problem: string, count: number): string {
  return `That reply could not be used: ${problem}. Send the complete JSON object again, with exactly ${count} entries and nothing around it.`;
}

/** The reply's JSON schema, for endpoints that can hold a model to one. Reason first and verdict last on purpose. */
export function verdictSchema(judged: readonly number[], version: PromptVersion): Record<string, unknown> {
  const details = {
    error_type: { type: 'string', enum: [...ERROR_TYPES, 'none'] },
    faulty_span: { type: ['string', 'null'] },
    depends_on: { type: 'array', items: { type: 'integer' } },
  };
  const properties = {
    index: { type: 'integer', minimum: judged[0]! + 1, maximum: judged.at(-1)! + 1 },
    reason: { type: 'string' },
    ...(version === 'v1' ? {} : details),
    recovers: { type: 'boolean' },
    verdict: { type: 'string', enum: ['right', 'wrong', 'unsure'] },
  };
  const entry = {
    type: 'object',
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  };
  return {
    type: 'object',
    properties: { judgements: { type: 'array', items: entry } },
    required: ['judgements'],
    additionalProperties: false,
  };
}

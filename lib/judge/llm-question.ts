import type { JudgeRequest } from './judge.ts';

/** One question to the model: which steps it sees and which of them it is to judge. Positions count from 0. */
export interface JudgeQuestion {
  /** Steps shown whole: [from, to). */
  from: number;
  to: number;
  /** The end of the text before `from`, where that is not shown whole; '' for none. */
  context: string;
  /** Ascending, all in [from, to). */
  judged: readonly number[];
}

/** All steps shown, these judged. */
export function wholeQuestion(request: JudgeRequest, judged: readonly number[]): JudgeQuestion {
  return { from: 0, to: request.steps.length, context: '', judged };
}

/** Whether steps are judged without all of the solution in view. */
export function isWindow(request: JudgeRequest, question: JudgeQuestion): boolean {
  return question.from > 0 || question.to < request.steps.length;
}

/** Shows only the range that is judged, and the last `contextCharacters` of what stands before it. */
export function windowOf(
  request: JudgeRequest,
  judged: readonly number[],
  contextCharacters: number,
): JudgeQuestion {
  const from = judged[0]!;
  const before = request.steps.slice(0, from).join('\n');
  const context = contextCharacters === 0 ? '' : before.slice(-contextCharacters);
  return { from, to: judged.at(-1)! + 1, context, judged };
}

export function halves(judged: readonly number[]): [number[], number[]] {
  const middle = Math.ceil(judged.length / 2);
  return [judged.slice(0, middle), judged.slice(middle)];
}

/** In order, at most `size` each. */
export function partsOf(judged: readonly number[], size: number): number[][] {
  const parts: number[][] = [];
  for (let at = 0; at < judged.length; at += size) parts.push(judged.slice(at, at + size));
  return parts;
}

/**
 * What a question that the model's context cannot hold is replaced by: first only the range in question is shown,
 * then halves of it, at last a single step without what came before. Empty where nothing is left to leave out.
 */
export function narrowed(
  request: JudgeRequest,
  question: JudgeQuestion,
  contextCharacters: number,
): JudgeQuestion[] {
  const { judged } = question;
  const own = windowOf(request, judged, contextCharacters);
  if (shownCharacters(request, own) <= shownCharacters(request, question) / 2) return [own];
  if (judged.length > 1) return halves(judged).map((half) => windowOf(request, half, contextCharacters));
  const bare = windowOf(request, judged, 0);
  return shownCharacters(request, bare) < shownCharacters(request, question) ? [bare] : [];
}

function shownCharacters(request: JudgeRequest, { from, to, context }: JudgeQuestion): number {
  return request.steps.slice(from, to).reduce((sum, step) => sum + step.length, context.length);
}

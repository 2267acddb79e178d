import type { Judge, JudgeRequest, JudgeResponse, StepJudgement } from '../judge/judge.ts';
import { type Chain, chainAnswer, evaluate, parseChainPrompt } from './chain-task.ts';

const LINE = /^(wait )?(\d+)([-+*])(\d+)=(\d+)\n?$/;
const ANSWER = /^answer (\d+)\n?$/;

/**
 * Judges a step of a chain by its own content: it must perform the operation whose turn it is, on the value the
 * line before it states, and get it right. That a stated value is itself the child of an error does not count here
 * (propagation is applied in code). A `wait` line redoes the operation before it; it recovers where that puts the
 * chain back on the true value, not where an earlier error still stands.
 */
export class ChainJudge implements Judge {
  readonly id = 'chain-v1';

  async judge(request: JudgeRequest): Promise<JudgeResponse> {
    const chain = parseChainPrompt(request.problem);
    const judgements =
      chain === null
        ? request.steps.map(() => opinion('abstain', false, 'the prompt is not a chain'))
        : judgeSteps(chain, request.steps);
    return { judgements, usage: { promptTokens: 0, completionTokens: 0, seconds: 0 } };
  }
}

function opinion(label: StepJudgement['label'], recovers: boolean, reason: string | null): StepJudgement {
  return { label, recovers, score: null, reason };
}

function judgeSteps(chain: Chain, steps: readonly string[]): StepJudgement[] {
  // The value each finished operation states; the one before the first is the start.
  const values = [chain.start];
  return steps.map((step) => {
    const answer = ANSWER.exec(step);
    if (answer !== null) return judgeAnswer(Number(answer[1]), values, chain);
    const line = LINE.exec(step);
    if (line === null) return opinion('wrong', false, 'not a line of a chain');
    const redo = line[1] !== undefined;
    if (redo && values.length === 1) return opinion('wrong', false, 'nothing to redo');
    if (redo) values.pop();
    return judgeLine(line, redo, values, chain);
  });
}

function judgeAnswer(stated: number, values: readonly number[], chain: Chain): StepJudgement {
  if (values.length !== chain.operations.length + 1) return opinion('wrong', false, 'operations are missing');
  if (stated !== values.at(-1)) return opinion('wrong', false, `the last line states ${values.at(-1)}`);
  return opinion('right', false, null);
}

function judgeLine(line: RegExpExecArray, redo: boolean, values: number[], chain: Chain): StepJudgement {
  const [left, right, result] = [Number(line[2]), Number(line[4]), Number(line[5])];
  const due = chain.operations[values.length - 1];
  const before = values.at(-1)!;
  values.push(result);
  if (due === undefined) return opinion('wrong', false, 'the chain has ended');
  if (line[3] !== due.operation || right !== due.operand) {
    return opinion('wrong', false, `the operation due is ${due.operation}${due.operand}`);
  }
  if (left !== before) return opinion('wrong', false, `the value so far is ${before}`);
  const expected = evaluate(left, due.operation, right);
  if (result !== expected) return opinion('wrong', false, `it gives ${expected}`);
  return opinion('right', redo && result === trueValue(chain, values.length - 1), null);
}

/** The value of the chain after its first `count` operations. */
function trueValue(chain: Chain, count: number): number {
  return chainAnswer({ start: chain.start, operations: chain.operations.slice(0, count) });
}

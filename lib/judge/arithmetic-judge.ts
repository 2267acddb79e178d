import { LapidaryError } from '../errors.ts';
import { type CheckEquationOptions, checkEquation } from './check-equation.ts';
import { isAsserted, usesOtherArithmetic } from './claim-context.ts';
import { findEquations, type NumericEquation } from './find-equations.ts';
import type { Judge, JudgeRequest, JudgeResponse, StepJudgement } from './judge.ts';
import { hasRecoveryMarker } from './recovery-marker.ts';

export interface ArithmeticJudgeOptions {
  /** Compare both sides modulo this integer (2 or more); absent: ordinary arithmetic. */
  modulus?: number;
  /** Relative error up to which `≈` holds. Default 0.01. */
  tolerance?: number;
}

/** A step with the text around it: "Now work modulo 7." may stand before, "which is not true" after. */
interface StepContext {
  text: string;
  before: string;
  next: string;
}

/** Characters before a step in which another arithmetic may have been announced. */
const CONTEXT_REACH = 1000;

/**
 * Checks the calculations a step writes out. A false equation makes the step wrong, at least one true equation and
 * no false one makes it right, and a step without a checkable equation is abstained from. Built for precision: sides
 * with variables, doubtful ends, rounding and statements that are not asserted are passed over.
 */
export class ArithmeticJudge implements Judge {
  readonly id: string;
  readonly #options: CheckEquationOptions;

  constructor(options: ArithmeticJudgeOptions = {}) {
    const { modulus, tolerance = 0.01 } = options;
    if (modulus !== undefined && !(Number.isSafeInteger(modulus) && modulus >= 2)) {
      throw badOption('modulus', `${modulus}; expected an integer of at least 2`);
    }
    if (!(tolerance >= 0 && tolerance < 1))
      throw badOption('tolerance', `${tolerance}; expected a number in [0, 1)`);
    this.#options = {
      modulus: modulus === undefined ? null : BigInt(modulus),
      tolerance: { n: BigInt(Math.round(tolerance * 1e9)), d: 1_000_000_000n },
    };
    this.id = `arithmetic-v1(modulus=${modulus ?? 'none'},tolerance=${tolerance})`;
  }

  async judge(request: JudgeRequest, options: { signal?: AbortSignal } = {}): Promise<JudgeResponse> {
    const started = performance.now();
    let before = '';
    const judgements: StepJudgement[] = [];
    for (const [k, text] of request.steps.entries()) {
      options.signal?.throwIfAborted();
      judgements.push(this.#judgeStep({ text, before, next: request.steps[k + 1] ?? '' }));
      before = (before + text).slice(-CONTEXT_REACH);
    }
    const seconds = (performance.now() - started) / 1000;
    return { judgements, usage: { promptTokens: 0, completionTokens: 0, seconds } };
  }

  #judgeStep(context: StepContext): StepJudgement {
    const step = context.text;
    const { confirmed, refuted } = this.#sort(context);
    if (refuted !== undefined) {
      const quote = step.slice(refuted.start, refuted.end).replace(/\s+/g, ' ');
      return { label: 'wrong', recovers: false, score: 0, reason: `false equation: ${shorten(quote)}` };
    }
    if (confirmed === 0)
      return { label: 'abstain', recovers: false, score: null, reason: 'no checkable equation' };
    const reason = confirmed === 1 ? '1 equation holds' : `${confirmed} equations hold`;
    return { label: 'right', recovers: hasRecoveryMarker(step), score: 1, reason };
  }

  #sort({ text: step, before, next }: StepContext): {
    confirmed: number;
    refuted: NumericEquation | undefined;
  } {
    const held = new Set<string>();
    const failed: NumericEquation[] = [];
    let confirmed = 0;
    for (const equation of findEquations(step)) {
      const truth = checkEquation(equation, this.#options);
      if (truth === 'false') failed.push(equation);
      if (truth !== 'true') continue;
      confirmed++;
      held.add(equation.leftKey);
    }
    // A calculation that the same step repeats with the right result has been put right.
    const open = failed.filter(({ leftKey }) => !held.has(leftKey));
    if (open.length === 0) return { confirmed, refuted: undefined };
    // Left open and yet excused by its context: neither side of the step can be vouched for.
    const excused = { confirmed: 0, refuted: undefined };
    if (this.#options.modulus === null && usesOtherArithmetic(before + step)) return excused;
    const refuted = open.find(({ start, end }) => isAsserted(step, start, end, next));
    return refuted === undefined ? excused : { confirmed, refuted };
  }
}

function shorten(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}

function badOption(option: string, given: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', `ArithmeticJudge: ${option}: got ${given}`, {
    argument: option,
  });
}

import { type EdgeTrust, leftTrust, rightTrust } from './equation-edge.ts';
import { type EquationRun, equationRuns, type Operand } from './equation-runs.ts';
import { scanMath } from './math-scanner.ts';
import type { MathToken } from './math-token.ts';
import { evaluateNumeric, type NumericValue } from './numeric-expression.ts';

/** A relation both of whose sides are numbers. */
export interface NumericEquation {
  left: NumericValue;
  right: NumericValue;
  relation: 'equal' | 'approximate';
  /** The left side without spaces, to recognise a second attempt at the same calculation. */
  leftKey: string;
  /** Whether both sides are spelled the same: "7 = 7" claims nothing. */
  identical: boolean;
  /** Whether the words around leave no doubt that these are the whole sides. */
  refutable: boolean;
  start: number;
  end: number;
}

/** The equations of a text whose sides are purely numeric and certainly complete, in order. */
export function findEquations(text: string): NumericEquation[] {
  const tokens = scanMath(text);
  return equationRuns(tokens).flatMap((run) => equationsOf(run, tokens, text));
}

function equationsOf(run: EquationRun, tokens: readonly MathToken[], text: string): NumericEquation[] {
  const values = run.operands.map((operand) => evaluateNumeric(operand));
  const consistent = closesOnItself(values);
  const found: NumericEquation[] = [];
  for (let i = 0; i < run.relations.length; i++) {
    const relation = run.relations[i]!;
    const left = values[i];
    const right = values[i + 1];
    if (relation === 'other' || left == null || right == null) continue;
    const trust = weaker(
      i === 0 ? leftTrust(tokens, run.left, left.compound) : 'refute',
      i === run.relations.length - 1 ? rightTrust(tokens, run.right) : 'refute',
    );
    if (trust === 'no') continue;
    const [leftSource, rightSource] = [source(text, run.operands[i]!), source(text, run.operands[i + 1]!)];
    found.push({
      left,
      right,
      relation,
      leftKey: leftSource,
      identical: leftSource === rightSource,
      refutable: trust === 'refute' && !consistent && !isLoose(left, right),
      start: run.operands[i]![0]!.start,
      end: run.operands[i + 1]!.at(-1)!.end,
    });
  }
  return found;
}

/** "3 * 2 - 1 + 4 = 6 - 1 = 5 + 4 = 9": the ends of the chain agree, so the middle is shorthand, not error. */
function closesOnItself(values: readonly (NumericValue | null)[]): boolean {
  const first = values[0];
  const last = values.at(-1);
  if (values.length < 3 || first == null || last == null) return false;
  return first.value.n === last.value.n && first.value.d === last.value.d;
}

/** Read in more than one way, or a running total ("3 + 4 = 7 + 5 = 12") that only misuses the sign of equality. */
function isLoose(left: NumericValue, right: NumericValue): boolean {
  if (left.ambiguous || right.ambiguous) return true;
  return right.leading !== null && right.leading.n === left.value.n && right.leading.d === left.value.d;
}

function weaker(a: EdgeTrust, b: EdgeTrust): EdgeTrust {
  if (a === 'no' || b === 'no') return 'no';
  return a === 'confirm' || b === 'confirm' ? 'confirm' : 'refute';
}

function source(text: string, operand: Operand): string {
  return text.slice(operand[0]!.start, operand.at(-1)!.end).replace(/\s+/g, '');
}

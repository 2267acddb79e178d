import { type AnswerForm, type FormOf, type Interval, MAX_PARTS } from './answer-form.ts';
import { compareValues } from './compare-values.ts';
import { splitList, splitTopLevel } from './split-answer.ts';

type Read = (text: string) => AnswerForm;

/**
 * Intervals that can be nothing else: (0, 1], (−∞, 2), ]0, 1[, a union of intervals, ℝ. The pair (0, 1) stays a
 * group, and is taken for an interval only where the other answer is one.
 */
export function readDefiniteIntervals(text: string, read: Read): AnswerForm | null {
  if (text === '\\R') return { kind: 'intervals', text, intervals: [wholeLine(read)] };
  const described = readDescribed(text, read);
  if (described !== null) return { kind: 'intervals', text, intervals: described };
  if (!/[([\]]/.test(text[0] ?? '') || !/[)\][]/.test(text.at(-1)!)) return null;
  const pieces = splitTopLevel(text.replace(/(?<=[)\]])U(?=[([])/g, '\\cup'), /[([{}\])]|\\cup(?![a-zA-Z])/g);
  const texts = pieces?.parts ?? [text];
  if (texts.length > MAX_PARTS) return null;
  const intervals: Interval[] = [];
  for (const part of texts) {
    const interval = readInterval(part, read);
    if (interval === null) return null;
    intervals.push(interval);
  }
  const certain = texts.length > 1 || isCertain(text, intervals[0]!);
  return certain ? { kind: 'intervals', text, intervals } : null;
}

/** {x | x > 2} and ℝ \ {0, 1}. */
function readDescribed(text: string, read: Read): Interval[] | null {
  const condition = /^\{[a-zA-Z](?:\\in ?\\R ?)?[|:](.{1,200})\}$/.exec(text)?.[1];
  if (condition !== undefined) return asIntervals(read(condition), read);
  const points = /^\\R ?\\setminus ?(\{.{1,200}\})$/.exec(text)?.[1];
  if (points === undefined) return null;
  const removed = splitList(points.slice(1, -1))?.parts.map(read) ?? [];
  if (
    removed.length > MAX_PARTS ||
    !removed.every((point) => isEndpoint(point) && point.kind !== 'expression')
  )
    return null;
  removed.sort((a, b) => compareValues(a, b) ?? 0);
  const ends = [read('-\\infty'), ...removed, read('\\infty')];
  return ends.slice(1).map((upper, index) => {
    return { lower: ends[index]!, upper, lowerClosed: false, upperClosed: false };
  });
}

function isCertain(text: string, { lower, upper, lowerClosed, upperClosed }: Interval): boolean {
  const infinite = lower.kind === 'infinity' || upper.kind === 'infinity';
  return infinite || lowerClosed !== upperClosed || text.startsWith(']');
}

function wholeLine(read: Read): Interval {
  return { lower: read('-\\infty'), upper: read('\\infty'), lowerClosed: false, upperClosed: false };
}

function readInterval(text: string, read: Read): Interval | null {
  const open = text[0] ?? '';
  const close = text.at(-1) ?? '';
  if (!'([]'.includes(open) || !')]['.includes(close) || text.length < 5) return null;
  const split = splitList(text.slice(1, -1));
  if (split?.parts.length !== 2 || split.joiner !== ',') return null;
  const [lower, upper] = split.parts.map(read) as [AnswerForm, AnswerForm];
  if (!isEndpoint(lower) || !isEndpoint(upper)) return null;
  return { lower, upper, lowerClosed: open === '[', upperClosed: close === ']' };
}

function isEndpoint(form: AnswerForm): boolean {
  return ['number', 'constant', 'expression', 'infinity'].includes(form.kind);
}

/** An answer as intervals where it can be read so: also a pair in brackets, an inequality, two joined by "or". */
export function asIntervals(form: AnswerForm, read: Read): Interval[] | null {
  if (form.kind === 'intervals') return form.intervals;
  if (form.kind === 'relation') return intervalOfInequality(form, read);
  if (form.kind !== 'group') return null;
  if (form.brackets === '' && form.joiner === 'or') {
    const intervals = form.parts.map((part) => asIntervals(part, read));
    return intervals.every((part) => part !== null) && sameVariable(form) ? intervals.flat() : null;
  }
  const [lower, upper] = form.parts as [AnswerForm, AnswerForm];
  const pair = form.parts.length === 2 && isEndpoint(lower) && isEndpoint(upper);
  if (!pair || !/^[([][)\]]$/.test(form.brackets)) return null;
  return [{ lower, upper, lowerClosed: form.brackets[0] === '[', upperClosed: form.brackets[1] === ']' }];
}

/** The variable of an inequality such as 1 < x ≤ 5, else null. */
export function inequalityVariable({ sides, operators }: FormOf<'relation'>): string | null {
  if (!operators.every((operator) => /^(?:<|>|\\le|\\ge)$/.test(operator))) return null;
  const name = sides.length === 3 ? sides[1]! : sides.find((side) => VARIABLE.test(side));
  return name !== undefined && VARIABLE.test(name) ? name : null;
}

const VARIABLE = /^(?:[a-zA-Z](?:_\w)?|\\(?:alpha|beta|theta|lambda|mu)|[a-zA-Z]\(x\))$/;

function sameVariable(form: FormOf<'group'>): boolean {
  const names = form.parts.map((part) => (part.kind === 'relation' ? inequalityVariable(part) : ''));
  return names.every((name) => name === names[0]);
}

function intervalOfInequality(form: FormOf<'relation'>, read: Read): Interval[] | null {
  const { sides, operators } = form;
  const name = inequalityVariable(form);
  if (name === null) return null;
  const whole = wholeLine(read);
  const flip = (operator: string): boolean => operator === '>' || operator === '\\ge';
  const closed = (operator: string): boolean => operator.startsWith('\\');
  if (sides.length === 2) {
    const bound = read(sides[0] === name ? sides[1]! : sides[0]!);
    if (!isEndpoint(bound) || bound.kind === 'expression') return null;
    const above = flip(operators[0]!) === (sides[0] === name);
    return above
      ? [{ ...whole, lower: bound, lowerClosed: closed(operators[0]!) }]
      : [{ ...whole, upper: bound, upperClosed: closed(operators[0]!) }];
  }
  if (sides.length !== 3 || flip(operators[0]!) !== flip(operators[1]!)) return null;
  const ends = flip(operators[0]!) ? [2, 0] : [0, 2];
  const signs = flip(operators[0]!) ? [1, 0] : [0, 1];
  const [lower, upper] = ends.map((index) => read(sides[index]!)) as [AnswerForm, AnswerForm];
  if (!isEndpoint(lower) || !isEndpoint(upper)) return null;
  return [
    { lower, upper, lowerClosed: closed(operators[signs[0]!]!), upperClosed: closed(operators[signs[1]!]!) },
  ];
}

/**
 * A union in order and with touching parts merged: (0, 1] ∪ (1, 2) is (0, 2). Null where the order of two endpoints
 * cannot be told.
 */
export function canonicalUnion(intervals: readonly Interval[]): Interval[] | null {
  let decided = true;
  const order = (a: AnswerForm, b: AnswerForm): number => {
    const result = compareValues(a, b);
    decided &&= result !== null;
    return result ?? 0;
  };
  const sorted = [...intervals].sort(
    (a, b) => order(a.lower, b.lower) || Number(b.lowerClosed) - Number(a.lowerClosed),
  );
  const merged: Interval[] = [];
  for (const next of sorted) {
    const last = merged.at(-1);
    const gap = last && order(last.upper, next.lower);
    if (last === undefined || gap! < 0 || (gap === 0 && !last.upperClosed && !next.lowerClosed)) {
      merged.push(next);
      continue;
    }
    const further = order(last.upper, next.upper);
    const upperClosed =
      further === 0
        ? last.upperClosed || next.upperClosed
        : further > 0
          ? last.upperClosed
          : next.upperClosed;
    merged[merged.length - 1] = { ...last, upper: further >= 0 ? last.upper : next.upper, upperClosed };
  }
  return decided ? merged : null;
}

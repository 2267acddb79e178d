import { type AnswerForm, MAX_DEPTH, MAX_PARTS, type RelationOperator } from './answer-form.ts';
import { asRational, evaluateExactly } from './exact-evaluation.ts';
import { symbolsOf } from './expression.ts';
import { parseExpression } from './expression-parser.ts';
import { isProse, normalizeText } from './normalize.ts';
import { readDefiniteIntervals } from './read-intervals.ts';
import { readMatrix, readSystem } from './read-matrix.ts';
import { enclosingBrackets, expandPlusMinus, splitList } from './split-answer.ts';
import { readUnit } from './units.ts';
import { parseRational } from './written-number.ts';

/** Reads an answer as written. Never throws. */
export function readAnswer(text: string): AnswerForm {
  return readWithTextUnit(text) ?? readNormalized(normalizeText(text), 0);
}

/** "5\text{ m}": what is set as text after a number is its unit, even where it is one letter. */
const TEXT_UNIT =
  /^(.{1,200}?)(?:\\[,;: ]|~|\s){0,4}\\(?:text|mathrm|textrm|operatorname|mbox)\s?\{\s*([a-zA-Z°µ]{1,20}(?:[ /][a-zA-Z]{1,20}){0,3})\.?\s*\}\s?(\^\{?[23]\}?)?$/;

function readWithTextUnit(text: string): AnswerForm | null {
  if (text.length > 300) return null;
  const match = TEXT_UNIT.exec(text.trim().replace(/^\$+|[$.]+$/g, ''));
  if (match === null || !/^[mgshlLJNVWKAC]$|.{2}/.test(match[2]!)) return null;
  const form = readNormalized(normalizeText(match[1]!), 0);
  const words =
    /^(?:percent|percentage|pct|and|or|base|pi|hundred|thousand|million|billion|trillion|dozen)s?$/i;
  if (words.test(match[2]!)) return null;
  const unit = readUnit(match[2]! + (match[3] ?? ''));
  if (form.kind === 'constant') return { ...form, text: normalizeText(text), unit };
  if (form.kind !== 'number' || form.number.unit !== null) return null;
  return { ...form, text: normalizeText(text), number: { ...form.number, unit } };
}

/** Reads text that is normalised already, such as one side of a relation. */
export function readNormalized(written: string, depth: number): AnswerForm {
  const text = withoutThousands(written.trim());
  return (
    readValue(text) ??
    readWholeShape(text, depth) ??
    (depth < MAX_DEPTH ? readGroup(text, depth) : null) ??
    readRelation(text) ??
    readLoose(text)
  );
}

/** "1,000\pi" is one value, not a list. */
function withoutThousands(text: string): string {
  const match = /^([-+]?\d{1,3}(?:(?:,|\{,\})\d{3})+(?:\.\d+)?)(?=[a-zA-Z\\(*/^+-])[^,]*$/.exec(text);
  return match === null ? text : match[1]!.replace(/[{},]/g, '') + text.slice(match[1]!.length);
}

function readValue(text: string): AnswerForm | null {
  const number = parseRational(text);
  if (number !== null) return { kind: 'number', text, number };
  const infinity = /^([-+]?)\\infty$/.exec(text);
  if (infinity !== null) return { kind: 'infinity', text, negative: infinity[1] === '-' };
  const letter = choiceLetter(text);
  if (letter !== undefined) return { kind: 'choice', text, letter };
  return readRatio(text) ?? readExpression(text);
}

/** "C", "(C)", "C.", "option C", and with the text of the option after it: "(C) 12", "C: 12". */
function choiceLetter(text: string): string | undefined {
  const bare = /^(?:(?:option|choice) ?)?\(?([A-Ja-j])\)?$/.exec(text)?.[1];
  // Prose is lower case by now; a bare small letter is a variable.
  if (bare !== undefined)
    return /^[a-j]/.test(bare) && !/^[oc]\w/.test(text) ? undefined : bare.toUpperCase();
  const [, bracketed, marked] = /^\(([A-J])\)(?![*+/^=(-]).|^([A-J])[).:]./s.exec(text) ?? [];
  // Words after the letter make it prose, in lower case.
  const worded = /^\(?([a-j])[):] ?\p{L}{2}/u.exec(text)?.[1]?.toUpperCase();
  return bracketed ?? marked ?? worded;
}

function readRatio(text: string): AnswerForm | null {
  const match = /^(\d{1,9}(?:\.\d{1,9})?(?::\d{1,9}(?:\.\d{1,9})?){1,5}) ?([ap]\.?m\.?)?$/i.exec(text);
  if (match === null) return null;
  const clock = match[2]?.replaceAll('.', '').toLowerCase() ?? null;
  return { kind: 'ratio', text, terms: match[1]!.split(':'), clock };
}

/** "2\sqrt{3}cm": two letters that are a unit are not two variables, after a constant. */
const MEASURED = /^(.*[\d})i])((?:mm|cm|dm|km|mg|kg|ml|ft|yd|lb)(?:\^\{?[23]\}?)?)$/;

function readExpression(text: string): AnswerForm | null {
  if (/[,;=<>]|\\(?:le|ge|ne|in|pm|infty|cup)(?![a-zA-Z])/.test(text) || isProse(text)) return null;
  // A bracketed whole is left to the group rule, and [x] may be a list of one.
  if (text.startsWith('[')) return null;
  const measured = MEASURED.exec(text);
  const expression = parseExpression(measured?.[1] ?? text);
  if (expression === null) return null;
  if (measured !== null && symbolsOf(expression).size === 0) {
    return { kind: 'constant', text, expression, bare: measured[1]!, unit: readUnit(measured[2]!) };
  }
  if (symbolsOf(expression).size > 0) return { kind: 'expression', text, expression };
  const exact = asRational(evaluateExactly(expression, new Map()));
  if (exact === null) return { kind: 'constant', text, expression, bare: text, unit: null };
  return { kind: 'number', text, number: { value: exact, percent: false, unit: null, decimals: null } };
}

function readWholeShape(text: string, depth: number): AnswerForm | null {
  if (depth >= MAX_DEPTH) return null;
  const read = (part: string): AnswerForm => readNormalized(part, depth + 1);
  return readDefiniteIntervals(text, read) ?? readMatrix(text, read) ?? readSystem(text, read);
}

function readGroup(text: string, depth: number): AnswerForm | null {
  const brackets = enclosingBrackets(text);
  const body = brackets === '' ? text : text.slice(1, -1);
  if (brackets === '{}' && body.trim() === '')
    return { kind: 'group', text, brackets, joiner: ',', parts: [] };
  const split = splitList(body);
  if (split === undefined) return null;
  const pieces = split.parts.flatMap(expandPlusMinus);
  if (pieces.length > MAX_PARTS) return null;
  if (pieces.length < 2) {
    const only = pieces[0];
    // A pair of braces or parentheses around one answer says nothing; [5] may be a list.
    return brackets === '' || brackets === '[]' || !only ? null : readNormalized(only, depth + 1);
  }
  const parts = pieces.map((piece) => readNormalized(piece, depth + 1));
  if (parts.some((part) => part.text === '' || part.kind === 'prose')) return null;
  return { kind: 'group', text, brackets, joiner: split.joiner, parts };
}

const OPERATOR = /<|>|=|\\(?:le|ge|ne|in)(?![a-zA-Z])/g;

function readRelation(text: string): AnswerForm | null {
  if (isProse(text)) return null;
  const exact = dropApproximation(text);
  const sides = exact.split(OPERATOR).map((side) => side.trim());
  if (sides.length < 2 || sides.length > MAX_PARTS || sides.some((side) => side === '')) {
    return exact === text ? null : readNormalized(exact, MAX_DEPTH);
  }
  const operators = Array.from(exact.matchAll(OPERATOR), ([operator]) => operator as RelationOperator);
  return { kind: 'relation', text: exact, sides, operators };
}

/** "\sqrt{2} \approx 1.41" answers √2; "x \approx 1.41" answers 1.41. */
function dropApproximation(text: string): string {
  const at = text.search(/\\approx(?![a-zA-Z])/);
  if (at < 0) return text;
  const before = text.slice(0, at).trim();
  if (before === '') return text;
  if (isName(before)) return text.replace(/\\approx(?![a-zA-Z])/, '=');
  return before;
}

/** What may stand on the left of an answer: x, \theta, f(x), x_1, (x, y). */
export function isName(side: string): boolean {
  return /^(?:\\?[a-zA-Z]+(?:_(?:\w|\{\w{1,8}\}))?'?|[a-zA-Z](?:\^\{-1\})?\([a-z](?:,[a-z])*\)|\([a-zA-Z](?:_\w)?(?:,[a-zA-Z](?:_\w)?)+\))$/.test(
    side,
  );
}

function readLoose(text: string): AnswerForm {
  return { kind: isProse(text) ? 'prose' : 'symbolic', text };
}

import { evaluateConstant } from './constant.ts';
import { isProse, normalizeText } from './normalize.ts';
import { parseRational, type WrittenNumber } from './rational.ts';

/** What an answer is, as far as these rules can tell; `text` is its normalised text. */
export type AnswerForm = { text: string } & (
  | { kind: 'number'; number: WrittenNumber }
  | { kind: 'constant'; approx: number } // a value that is not a rational, or not known to be one
  | { kind: 'choice'; letter: string }
  | { kind: 'group'; brackets: string; parts: AnswerForm[] } // brackets '' for a bare list "a, b"
  | { kind: 'relation'; sides: string[] } // joined by "="
  | { kind: 'prose' }
  | { kind: 'symbolic' }
);

const MAX_PARTS = 64;
const MAX_DEPTH = 8;

/** Reads an answer as written. Never throws. */
export function readAnswer(text: string): AnswerForm {
  return readNormalized(normalizeText(text), 0);
}

/** Reads text that is normalised already, such as one side of a relation. */
export function readNormalized(text: string, depth: number): AnswerForm {
  const number = parseRational(text);
  if (number !== null) return { kind: 'number', text, number };
  const constant = evaluateConstant(text);
  if (constant?.exact) return { kind: 'number', text, number: { value: constant.exact, percent: false } };
  if (constant) return { kind: 'constant', text, approx: constant.approx };
  const letter = /^\(?([A-J])\)?$/.exec(text)?.[1];
  if (letter !== undefined) return { kind: 'choice', text, letter };
  const group = depth < MAX_DEPTH ? readGroup(text, depth) : null;
  if (group !== null) return group;
  if (isProse(text)) return { kind: 'prose', text };
  const sides = text.split('=');
  if (sides.length > 1 && sides.every((side) => side !== '' && !/[<>!]$/.test(side))) {
    return { kind: 'relation', text, sides };
  }
  return { kind: 'symbolic', text };
}

function readGroup(text: string, depth: number): AnswerForm | null {
  const brackets = enclosingBrackets(text);
  const body = brackets === '' ? text : text.slice(1, -1);
  const pieces = splitTopLevel(body)?.flatMap(expandPlusMinus);
  if (pieces === undefined || pieces.length > MAX_PARTS) return null;
  if (pieces.length < 2) {
    const only = pieces[0];
    // A pair of braces or parentheses around one answer says nothing; [5] may be a list.
    return brackets === '' || brackets === '[]' || !only ? null : readNormalized(only, depth + 1);
  }
  const parts = pieces.map((piece) => readNormalized(piece, depth + 1));
  if (parts.some((part) => part.text === '' || part.kind === 'prose')) return null;
  return { kind: 'group', text, brackets, parts };
}

const CLOSERS: Readonly<Record<string, string>> = { '(': ')]', '[': '])', '{': '}' };

/** The outer brackets ("()", "[)", …) where the first one closes at the very end, else ''. */
function enclosingBrackets(text: string): string {
  const open = text[0] ?? '';
  const close = text.at(-1) ?? '';
  if (text.length < 2 || !CLOSERS[open]?.includes(close)) return '';
  let depth = 0;
  for (let i = 0; i < text.length - 1; i++) {
    if ('([{'.includes(text[i]!)) depth++;
    else if (')]}'.includes(text[i]!) && --depth === 0) return '';
  }
  return open + close;
}

/** Splits at commas, semicolons, "and", "or" outside brackets; undefined where brackets do not balance. */
function splitTopLevel(text: string): string[] | undefined {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (const match of text.matchAll(/[([{}\]),;]|(?<![\p{L}\\])(?:and|or)(?!\p{L})/gu)) {
    const token = match[0];
    if ('([{'.includes(token)) depth++;
    else if (')]}'.includes(token)) depth--;
    else if (depth === 0) {
      parts.push(text.slice(start, match.index).trim());
      start = match.index + token.length;
    }
    if (depth < 0) return undefined;
  }
  parts.push(text.slice(start).trim());
  // "a, b, and c" leaves an empty part between the comma and the word.
  return depth === 0 ? parts.filter((part, index) => part !== '' || index === 0) : undefined;
}

function expandPlusMinus(part: string): string[] {
  const at = part.indexOf('\\pm');
  if (at < 0 || part.includes('\\pm', at + 3)) return [part];
  const before = part.slice(0, at);
  const after = part.slice(at + 3).trim();
  return [before === '' ? after : `${before}+${after}`, `${before}-${after}`];
}

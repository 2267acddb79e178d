import type { Joiner } from './answer-form.ts';

const CLOSERS: Readonly<Record<string, string>> = { '(': ')]', '[': '])', '{': '}' };

/** The outer brackets ("()", "[)", …) where the first one closes at the very end, else ''. */
export function enclosingBrackets(text: string): string {
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

export interface Split {
  parts: string[];
  joiner: Joiner;
}

/** Splits at commas, semicolons, "and", "or" outside brackets; undefined where brackets do not balance. */
export function splitList(text: string): Split | undefined {
  const pieces = splitTopLevel(text, /[([{}\]),;]|(?<![\p{L}\\])(?:and|or)(?!\p{L})/gu);
  if (pieces === undefined) return undefined;
  const joiner = pieces.separators.find((separator) => separator === 'and' || separator === 'or') ?? ',';
  // "a, b, and c" leaves an empty part between the comma and the word.
  const parts = pieces.parts.filter((part, index) => part !== '' || index === 0);
  return { parts, joiner: joiner as Joiner };
}

/** `pattern` finds the brackets and the separators. */
export function splitTopLevel(
  text: string,
  pattern: RegExp,
): { parts: string[]; separators: string[] } | undefined {
  const parts: string[] = [];
  const separators: string[] = [];
  let depth = 0;
  let start = 0;
  for (const match of text.matchAll(pattern)) {
    const token = match[0];
    if ('([{'.includes(token)) depth++;
    else if (')]}'.includes(token)) depth--;
    else if (depth === 0) {
      parts.push(text.slice(start, match.index).trim());
      separators.push(token);
      start = match.index + token.length;
    }
    if (depth < 0) return undefined;
  }
  parts.push(text.slice(start).trim());
  return depth === 0 ? { parts, separators } : undefined;
}

/** "a\pm b" is two answers; more than one sign is not ours to pair up. */
export function expandPlusMinus(part: string): string[] {
  const at = part.indexOf('\\pm');
  if (at < 0 || part.includes('\\pm', at + 3) || part.includes('\\mp')) return [part];
  const before = part.slice(0, at);
  const after = part.slice(at + 3).trim();
  if (before === '' || before.endsWith('=')) return [before + after, `${before}-${after}`];
  return [`${before}+${after}`, `${before}-${after}`];
}

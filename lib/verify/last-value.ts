const NUMBER = /[-−+]?\d[\d,]*(?:\.\d+)?(?:\/\d+)?%?/g;
const TERMINATORS = '.!?)]}$*`"\'。';

/**
 * The last number of the last non-empty line, the last resort. Only where the line is finished: a text that stops
 * in the middle ("… so n = 12") was cut off, and its last number is an accident.
 */
export function lastNumber(text: string): string | null {
  const line = lastLine(text);
  const numbers = line.match(NUMBER);
  const number = numbers?.at(-1);
  if (number === undefined) return null;
  const finished = TERMINATORS.includes(line.at(-1) ?? '') || number.length === line.length;
  return finished ? number.replace(/,+$/, '') : null;
}

const MAX_LINE = 2000;

function lastLine(text: string): string {
  const trimmed = text.trimEnd();
  const start = Math.max(trimmed.lastIndexOf('\n') + 1, trimmed.length - MAX_LINE);
  return trimmed.slice(start).trim();
}

const MATH: readonly (readonly [string, string])[] = [
  ['$$', '$$'],
  ['$', '$'],
  ['\\(', '\\)'],
  ['\\[', '\\]'],
];
const MAX_MATH = 500;

/**
 * Mathematics in delimiters that the text ends on, but for words without a number after it: "so we get $x + 1$."
 * A number after it is the later value, and is for `lastNumber`.
 */
export function lastMath(text: string): string | null {
  const end = text.trimEnd();
  const tail = end.slice(Math.max(0, end.length - 2 * MAX_MATH));
  if (!TERMINATORS.includes(tail.at(-1) ?? '')) return null;
  for (const [open, close] of MATH) {
    const to = tail.lastIndexOf(close);
    const from = to < 0 ? -1 : tail.lastIndexOf(open, to - 1);
    if (from < 0 || to - from - open.length > MAX_MATH) continue;
    const after = tail.slice(to + close.length);
    if (/\d/.test(after) || MATH.some(([mark]) => after.includes(mark)) || after.includes('\n')) continue;
    const body = tail.slice(from + open.length, to).trim();
    // "$5 and $6": dollars, no delimiters.
    if (body !== '' && !(open === '$' && /^\d[\d,.]*\s/.test(body) && /[a-z]{3}/.test(body))) return body;
  }
  return null;
}

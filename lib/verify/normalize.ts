/** Longer answers are compared as they stand: rewriting them costs time and no real answer is that long. */
export const MAX_NORMALIZED = 4096;

const UNICODE: readonly (readonly [RegExp, string])[] = [
  [/[−–—]/g, '-'],
  [/π/g, '\\pi '],
  [/[×·∗]/g, '*'],
  [/÷/g, '/'],
  [/±/g, '\\pm '],
  [/∞/g, '\\infty '],
  [/≤/g, '\\le '],
  [/≥/g, '\\ge '],
  [/√/g, '\\sqrt'],
  [/[“”]/g, '"'],
  [/[‘’]/g, "'"],
  [/°/g, '^\\circ '],
  [/²/g, '^2'],
  [/³/g, '^3'],
];

const LATEX: readonly (readonly [RegExp, string])[] = [
  [/\\(?:left|right|big|bigl|bigr|Big|Bigl|Bigr|bigg|Bigg|displaystyle|textstyle)(?![a-zA-Z])/g, ''],
  [/\\(?:quad|qquad|thinspace)(?![a-zA-Z])|\\[,;:! ]|~/g, ' '],
  [/\\[dtc]frac(?![a-zA-Z])/g, '\\frac'],
  [/\\(?:leq|leqslant)(?![a-zA-Z])/g, '\\le'],
  [/\\(?:geq|geqslant)(?![a-zA-Z])/g, '\\ge'],
  [/\\(?:cdot|times)(?![a-zA-Z])/g, '*'],
  [/\^\s?\{?\s?\\circ\s?\}?|\\degrees?(?![a-zA-Z])/g, ''],
  [/\\(?:text|mathrm|textbf|textit|mathbf|mathit|mbox|operatorname|boxed|fbox)\s?\{([^{}]*)\}/g, ' $1 '],
  [/\\([{}%$#&_])/g, '$1'],
];

/** One-argument shorthands: \frac12, \frac1{2}, \sqrt2, x^{2}. */
const SHORTHAND: readonly (readonly [RegExp, string])[] = [
  [/\\frac\s?(\d)\s?(\d)/g, '\\frac{$1}{$2}'],
  [/\\frac\s?(\d)\s?\{/g, '\\frac{$1}{'],
  [/\\frac\s?(\{[^{}]*\})\s?(\d)/g, '\\frac$1{$2}'],
  [/\\sqrt\s?(\d)/g, '\\sqrt{$1}'],
  [/([\^_])\s?\{\s?([a-zA-Z0-9])\s?\}/g, '$1$2'],
];

/**
 * Text with the freedom of notation taken out, for comparing answers that are not numbers: LaTeX spacing and
 * sizing, font and text commands, delimiters, fraction spellings, multiplication signs, whitespace, a trailing
 * dot. Two answers with equal results are the same answer; different results say nothing by themselves.
 */
export function normalizeText(text: string): string {
  if (text.length > MAX_NORMALIZED) return text.trim();
  let result = stripDelimiters(text);
  for (const [pattern, replacement] of UNICODE) result = result.replace(pattern, replacement);
  // Twice, because \text may stand inside \boxed, and \left before \{.
  for (let round = 0; round < 2; round++) {
    for (const [pattern, replacement] of LATEX) result = result.replace(pattern, replacement);
  }
  for (const [pattern, replacement] of SHORTHAND) result = result.replace(pattern, replacement);
  result = stripDelimiters(joinSpaces(result));
  return isProse(result) ? result.toLowerCase() : result;
}

/** True for text with a word of three letters or more that is not a LaTeX command or a function name. */
export function isProse(text: string): boolean {
  for (const match of text.matchAll(/\\?\p{L}{3,}/gu)) {
    if (!match[0].startsWith('\\') && !FUNCTIONS.has(match[0].toLowerCase())) return true;
  }
  return false;
}

const FUNCTIONS = new Set([
  'sin',
  'cos',
  'tan',
  'cot',
  'sec',
  'csc',
  'log',
  'exp',
  'sqrt',
  'min',
  'max',
  'gcd',
  'lcm',
  'mod',
  'abs',
]);

const DELIMITERS: readonly (readonly [string, string])[] = [
  ['$$', '$$'],
  ['$', '$'],
  ['\\(', '\\)'],
  ['\\[', '\\]'],
  ['**', '**'],
  ['`', '`'],
];

function stripDelimiters(text: string): string {
  let body = trimStops(text);
  for (let again = true; again; ) {
    again = false;
    for (const [open, close] of DELIMITERS) {
      const inner = body.slice(open.length, body.length - close.length);
      const wrapped =
        body.length > open.length + close.length && body.startsWith(open) && body.endsWith(close);
      if (!wrapped || inner.includes(open)) continue;
      body = trimStops(inner);
      again = true;
    }
  }
  return body === '$' || body === '$$' ? '' : body;
}

/** Whitespace at both ends, and a full stop, comma, semicolon or colon at the end (an ellipsis stays). */
function trimStops(text: string): string {
  let body = text.trim();
  while (/[.,;:]$/.test(body) && !body.endsWith('..')) body = body.slice(0, -1).trimEnd();
  return body;
}

/** Keeps a space only where its removal would join two words or two numbers; drops "*" where juxtaposition says it. */
function joinSpaces(text: string): string {
  const joined = text
    .replace(/\s+/g, ' ')
    .replace(/ (?=[^\p{L}\d\\])|(?<=[^\p{L}\d]) /gu, '')
    .replace(/(?<=\p{L}) (?=\\)/gu, '')
    .replace(/(?<=\d)\*(?=[\p{L}\\(])/gu, '');
  return isProse(joined) ? joined : joined.replace(/(?<=\d) (?=[\p{L}\\])|(?<=\p{L}) (?=\d)/gu, '');
}

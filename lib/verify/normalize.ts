/** Longer answers are compared as they stand: rewriting them costs time and no real answer is that long. */
export const MAX_NORMALIZED = 4096;

const UNICODE: readonly (readonly [RegExp, string])[] = [
  [/[−–—]/g, '-'],
  [/π/g, '\\pi '],
  [/[×·∗⋅]/g, '*'],
  [/÷/g, '/'],
  [/±/g, '\\pm '],
  [/∞/g, '\\infty '],
  [/≤/g, '\\le '],
  [/≥/g, '\\ge '],
  [/√/g, '\\sqrt'],
  [/≠/g, '\\ne '],
  [/≈/g, '\\approx '],
  [/∈/g, '\\in '],
  [/∪/g, '\\cup '],
  [/∅/g, '\\emptyset '],
  [/ℝ/g, '\\R '],
  [/θ/g, '\\theta '],
  [/[“”]/g, '"'],
  [/[‘’]/g, "'"],
  [/²/g, '^2'],
  [/³/g, '^3'],
];

/** A row break, kept apart from the escapes that begin with one backslash. */
export const ROW_BREAK = '⏎';

const LATEX: readonly (readonly [RegExp, string])[] = [
  [/\\\\/g, ` ${ROW_BREAK} `],
  // "11,\! 111" is one number.
  [/(?<=\d)(?:,\s?\\!|\{,\}\\!)\s?(?=\d)/g, ','],
  [/(?<=\d)(?:\\[,; ]|~)\s?(?=\d{3}(?!\d))/g, ' '],
  [/\\(?:left|right|big|bigl|bigr|Big|Bigl|Bigr|bigg|Bigg|displaystyle|textstyle)(?![a-zA-Z])/g, ''],
  [/\\(?:quad|qquad|thinspace)(?![a-zA-Z])|\\[,;:! ]|~/g, ' '],
  [/\\[dtc]frac(?![a-zA-Z])/g, '\\frac'],
  [/\\(?:leq|leqslant)(?![a-zA-Z])/g, '\\le'],
  [/\\(?:geq|geqslant)(?![a-zA-Z])/g, '\\ge'],
  [/\\(?:cdot|times)(?![a-zA-Z])/g, '*'],
  [/\^\s?(?:\{\s?\\circ\s?\}|\\circ(?![a-zA-Z]))|\\degrees?(?![a-zA-Z])/g, '°'],
  [/\\(?:lt)(?![a-zA-Z])/g, '<'],
  [/\\(?:gt)(?![a-zA-Z])/g, '>'],
  [/\\neq(?![a-zA-Z])/g, '\\ne'],
  [/<=/g, '\\le '],
  [/>=/g, '\\ge '],
  [/!=/g, '\\ne '],
  [/\\(?:varnothing)(?![a-zA-Z])/g, '\\emptyset'],
  [/\\(?:l|r|)vert(?![a-zA-Z])/g, '|'],
  [/\\langle(?![a-zA-Z])/g, '('],
  [/\\rangle(?![a-zA-Z])/g, ')'],
  [/\\mid(?![a-zA-Z])/g, '|'],
  [/\\backslash(?![a-zA-Z])/g, '\\setminus'],
  [/\\(?:lbrace)(?![a-zA-Z])/g, '{'],
  [/\\(?:rbrace)(?![a-zA-Z])/g, '}'],
  [/\\mathbb\s?\{?\s?R\s?\}?/g, '\\R '],
  [/(?<![\p{L}\\])pi(?!\p{L})/gu, '\\pi '],
  [/(?<![\p{L}\\])(?:infinity|infty|oo)(?!\p{L})/giu, '\\infty '],
  [/\\(?:text|mathrm|textbf|textit|mathbf|mathit|mbox|operatorname|boxed|fbox)\s?\{([^{}]*)\}/g, ' $1 '],
  [/\\([{}%$#&_])/g, '$1'],
];

/** One-argument shorthands: \frac12, \frac1{2}, \sqrt2, x^{2}. */
const SHORTHAND: readonly (readonly [RegExp, string])[] = [
  [/\\frac\s?(\d)\s?(\d)/g, '\\frac{$1}{$2}'],
  [/\\frac\s?(\d)\s?\{/g, '\\frac{$1}{'],
  [/\\frac\s?(\{[^{}]*\})\s?(\d)/g, '\\frac$1{$2}'],
  [/\\sqrt\s?(\d)/g, '\\sqrt{$1}'],
  // Not before a digit: 2^{3}3^{2} is no power of 33, \log_{2}8 has no base 28.
  [/([\^_])\s?\{\s?([a-zA-Z0-9])\s?\}(?!\s?\d)/g, '$1$2'],
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
  if (/^no$/i.test(text)) return true;
  const plain = text.replace(/\\(?:begin|end)\{[a-zB]{1,12}\*?\}/g, ' ');
  for (const match of plain.matchAll(/\\?\p{L}{3,}/gu)) {
    const word = match[0];
    if (!word.startsWith('\\') && !FUNCTIONS.has(word.toLowerCase()) && !/^(?:[xyz]{3}|abc)$/.test(word))
      return true;
  }
  return false;
}

const FUNCTIONS = new Set([
  ...['arcsin', 'arccos', 'arctan', 'asin', 'acos', 'atan', 'sinh', 'cosh', 'tanh', 'cbrt', 'binom'],
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
    // Not below a slash: 1/2*x is not 1/2x, which has two readings.
    .replace(/(?<!\/\d{0,9})(?<=\d)\*(?=[\p{L}\\(])/gu, '');
  return isProse(joined) ? joined : joined.replace(/(?<=\d) (?=[\p{L}\\])|(?<=\p{L}) (?=\d)/gu, '');
}

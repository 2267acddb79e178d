const KEY = /["'](?:final_)?answer["']\s{0,20}:\s{0,20}/gi;

const MAX_KEYS = 32;
const MAX_VALUE = 8192;

/**
 * The value of the last "answer" field of a JSON object in the text. Reads the field where it stands and does not
 * parse the object around it: models write raw line breaks, single quotes and stray text that JSON.parse
 * refuses. A value that is itself cut off is no answer, because a prefix of a number is another number.
 */
export function jsonAnswer(text: string): string | null {
  const keys = Array.from(text.matchAll(KEY), (match) => match.index + match[0].length);
  // Each attempt may read a whole value, so a text that repeats the key without one must not try them all.
  for (const at of keys.slice(-MAX_KEYS).reverse()) {
    const value = readValue(text, at);
    if (value !== null) return value;
  }
  return null;
}

function readValue(text: string, at: number): string | null {
  const char = text[at];
  if (char === '"' || char === "'") return readString(text, at, char);
  if (char === '[' || char === '{') return readBracketed(text, at);
  return readBare(text, at);
}

/** The string ends at the first unescaped quote that is followed by what may follow a value. */
function readString(text: string, at: number, quote: string): string | null {
  const limit = Math.min(text.length, at + MAX_VALUE);
  for (let i = at + 1; i < limit; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === quote && endsValue(text, i + 1)) return unescapeString(text.slice(at + 1, i), quote);
  }
  return null;
}

function endsValue(text: string, from: number): boolean {
  let at = from;
  while (text[at] === ' ' || text[at] === '\t') at++;
  const char = text[at];
  return char === undefined || char === '}' || char === ',' || char === '\n' || char === '\r';
}

function unescapeString(body: string, quote: string): string {
  if (quote === '"') {
    try {
      return String(JSON.parse(`"${body}"`));
    } catch {
      // LaTeX in a JSON string is often not escaped ("\pi"); the raw text is what the model meant.
    }
  }
  return body.replaceAll('\\"', '"');
}

function readBracketed(text: string, at: number): string | null {
  const limit = Math.min(text.length, at + MAX_VALUE);
  let depth = 0;
  let quote: string | null = null;
  for (let i = at; i < limit; i++) {
    const char = text[i]!;
    if (quote !== null) {
      if (char === '\\') i++;
      else if (char === quote) quote = null;
    } else if (char === '"' || char === "'") quote = char;
    else if (char === '[' || char === '{' || char === '(') depth++;
    else if ((char === ']' || char === '}' || char === ')') && --depth === 0) return text.slice(at, i + 1);
  }
  return null;
}

/** A number, a word or another bare value, up to the end of the field. */
function readBare(text: string, at: number): string | null {
  const limit = Math.min(text.length, at + MAX_VALUE);
  for (let i = at; i < limit; i++) {
    const char = text[i]!;
    const thousands = char === ',' && /^\d{3}(?!\d)/.test(text.slice(i + 1, i + 5));
    if (char === '}' || char === '\n' || (char === ',' && !thousands)) {
      const value = text.slice(at, i).trim();
      return value === '' || value === 'null' ? null : value;
    }
  }
  return null;
}

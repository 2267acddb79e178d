export type Token =
  | { type: 'number'; text: string }
  | { type: 'name'; text: string } // one letter with its subscript, or a LaTeX command without its backslash
  | { type: 'mark'; text: string }; // operators and brackets

/** Words that are read as one name without a backslash, longest first; other letters stand for themselves. */
const WORDS = [
  ...['arcsin', 'arccos', 'arctan', 'binom', 'floor', 'theta', 'alpha', 'gamma', 'lambda', 'delta'],
  ...['sqrt', 'cbrt', 'sinh', 'cosh', 'tanh', 'asin', 'acos', 'atan', 'beta', 'ceil'],
  ...['sin', 'cos', 'tan', 'cot', 'sec', 'csc', 'log', 'exp', 'abs', 'phi', 'ln', 'pi'],
].sort((a, b) => b.length - a.length);

const PATTERN =
  /\s+|(?<number>\d+(?:\.\d+)?|\.\d+)|\\(?<command>[a-zA-Z]{2,})|(?<letters>[a-zA-Z]+)|(?<mark>\*\*|[-+*/^_!(){}[\]|,'°])/y;

/** The tokens of normalised text, or null where a character or word has no reading. Linear. */
export function tokenize(text: string, limit: number): Token[] | null {
  const tokens: Token[] = [];
  PATTERN.lastIndex = 0;
  while (PATTERN.lastIndex < text.length) {
    const groups = PATTERN.exec(text)?.groups;
    if (groups === undefined || tokens.length > limit) return null;
    const { number, command, letters, mark } = groups;
    if (number !== undefined) tokens.push({ type: 'number', text: number });
    else if (command !== undefined) tokens.push({ type: 'name', text: command });
    else if (mark !== undefined) tokens.push({ type: 'mark', text: mark === '**' ? '^' : mark });
    else if (letters !== undefined) pushLetters(letters, tokens);
  }
  return tokens;
}

/** "xsin" is x·sin and "ab" is a·b; a long run of letters without a known word is no product but a word. */
function pushLetters(letters: string, tokens: Token[]): void {
  for (let at = 0; at < letters.length; ) {
    const word = WORDS.find((candidate) => letters.startsWith(candidate, at)) ?? letters[at]!;
    tokens.push({ type: 'name', text: word });
    at += word.length;
  }
}

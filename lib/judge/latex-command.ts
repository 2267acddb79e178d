import type { TokenBody } from './math-token.ts';

const TOKENS: Record<string, TokenBody> = {
  times: { type: 'operator', symbol: '*' },
  cdot: { type: 'operator', symbol: '*' },
  ast: { type: 'operator', symbol: '*' },
  div: { type: 'operator', symbol: '/' },
  frac: { type: 'command', name: 'frac' },
  dfrac: { type: 'command', name: 'frac' },
  tfrac: { type: 'command', name: 'frac' },
  cfrac: { type: 'command', name: 'frac' },
  sqrt: { type: 'command', name: 'sqrt' },
  binom: { type: 'command', name: 'binom' },
  dbinom: { type: 'command', name: 'binom' },
  tbinom: { type: 'command', name: 'binom' },
  approx: { type: 'relation', relation: 'approximate' },
  approxeq: { type: 'relation', relation: 'approximate' },
  simeq: { type: 'relation', relation: 'approximate' },
  // "\n" is a line break that lost its decoding, as in JSON pasted as text.
  n: { type: 'boundary', kind: 'line' },
  newline: { type: 'boundary', kind: 'line' },
};

const RELATIONS = 'equiv cong ne neq le leq leqslant ge geq geqslant lt gt sim propto in mid nmid'.split(' ');
const ARROWS =
  'implies iff to rightarrow Rightarrow longrightarrow Longrightarrow leftrightarrow Leftrightarrow therefore because'.split(
    ' ',
  );
const SEPARATORS = 'quad qquad'.split(' ');
/** Size, style and box commands that change no value; their braces act as parentheses. */
const TRANSPARENT =
  'left right big Big bigg Bigg bigl bigr Bigl Bigr displaystyle textstyle boxed fbox mathbf boldsymbol limits'.split(
    ' ',
  );

const COMMANDS = new Map<string, TokenBody | 'ignored'>([
  ...Object.entries(TOKENS),
  ...RELATIONS.map((name): [string, TokenBody] => [name, { type: 'relation', relation: 'other' }]),
  ...ARROWS.map((name): [string, TokenBody] => [name, { type: 'boundary', kind: 'arrow' }]),
  ...SEPARATORS.map((name): [string, TokenBody] => [name, { type: 'boundary', kind: 'sentence' }]),
  ...TRANSPARENT.map((name): [string, 'ignored'] => [name, 'ignored']),
]);

/** What a LaTeX command with a name means for checking; unknown ones are unclear. */
export function latexCommand(name: string): TokenBody | 'ignored' {
  return COMMANDS.get(name) ?? { type: 'unclear' };
}

/** What a backslash before one character that is no letter means. */
export function latexSymbol(char: string): TokenBody | 'ignored' {
  if (char === '\\') return { type: 'boundary', kind: 'line' };
  if ('()[]'.includes(char)) return { type: 'boundary', kind: 'math' };
  if (',;:!> \n$'.includes(char)) return 'ignored';
  return { type: 'unclear' };
}

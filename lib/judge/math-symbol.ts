import type { TokenBody } from './math-token.ts';

/** `token` is null for signs that change nothing (bold marks, currency). */
export interface ScannedSymbol {
  length: number;
  token: TokenBody | null;
}

const FIXED = new Map<string, TokenBody | null>([
  ['+', { type: 'operator', symbol: '+' }],
  ['−', { type: 'operator', symbol: '-' }],
  ['^', { type: 'operator', symbol: '^' }],
  ...[...'×·⋅∙∗'].map((char): [string, TokenBody] => [char, { type: 'operator', symbol: '*' }]),
  ...[...'÷∕⁄'].map((char): [string, TokenBody] => [char, { type: 'operator', symbol: '/' }]),
  ['√', { type: 'command', name: 'sqrt' }],
  ['(', { type: 'open', bracket: '(' }],
  [')', { type: 'close', bracket: '(' }],
  ['{', { type: 'open', bracket: '{' }],
  ['}', { type: 'close', bracket: '{' }],
  ...[...'≈≃≅≒'].map((char): [string, TokenBody] => [char, { type: 'relation', relation: 'approximate' }]),
  ...[...'≠≤≥≡∼∣'].map((char): [string, TokenBody] => [char, { type: 'relation', relation: 'other' }]),
  ...[...'→⇒⟹⟶∴⇔'].map((char): [string, TokenBody] => [char, { type: 'boundary', kind: 'arrow' }]),
  ...[...';?—•。；？！'].map((char): [string, TokenBody] => [char, { type: 'boundary', kind: 'sentence' }]),
  ['`', { type: 'boundary', kind: 'math' }],
  ['€', null],
  ['£', null],
]);

/** The token at a sign whose meaning may hang on its neighbours. */
export function symbolToken(text: string, at: number): ScannedSymbol {
  const char = text[at]!;
  const fixed = FIXED.get(char);
  if (fixed !== undefined) return { length: 1, token: fixed };
  const next = text[at + 1] ?? ' ';
  const before = text[at - 1] ?? ' ';
  switch (char) {
    case '=':
      return equals(text, at);
    case '<':
    case '>':
      return { length: next === '=' ? 2 : 1, token: { type: 'relation', relation: 'other' } };
    case '-':
      return minus(next);
    case '*':
      return star(before, next, text[at + 2] ?? ' ');
    case '/':
      return next === '/' ? unclear(2) : { length: 1, token: { type: 'operator', symbol: '/' } };
    case '!':
      return exclamation(before, next);
    case ':':
      return /[\s$\\*]/.test(next) && !/\s/.test(before) ? boundary('colon') : unclear(next === '=' ? 2 : 1);
    case ',':
      return /[\s$\\]/.test(next) ? boundary('comma') : unclear(1);
    case '.':
      return next === '.' || before === '.' ? unclear(1) : boundary('sentence');
    default:
      return unclear(1);
  }
}

function equals(text: string, at: number): ScannedSymbol {
  if (text[at + 1] === '>') return { ...boundary('arrow'), length: 2 };
  let end = at + 1;
  while (text[end] === '=') end++;
  // "==" is a test in code, not a claim.
  return { length: end - at, token: { type: 'relation', relation: end - at === 1 ? 'equal' : 'other' } };
}

function minus(next: string): ScannedSymbol {
  if (next === '>') return { ...boundary('arrow'), length: 2 };
  if (next === '-') return unclear(2);
  return { length: 1, token: { type: 'operator', symbol: '-' } };
}

/** "2**3" is a power, "**3**" is bold type. */
function star(before: string, next: string, afterNext: string): ScannedSymbol {
  if (next !== '*') return { length: 1, token: { type: 'operator', symbol: '*' } };
  const power = /[\d)]/.test(before) && /[\d(]/.test(afterNext);
  return { length: 2, token: power ? { type: 'operator', symbol: '^' } : null };
}

/** "5!=120" may be a factorial or "not equal"; "5! = 120" is a factorial; "Done!" ends a sentence. */
function exclamation(before: string, next: string): ScannedSymbol {
  if (next === '=') return unclear(2);
  if (/[\d)}]/.test(before)) return { length: 1, token: { type: 'operator', symbol: '!' } };
  return boundary('sentence');
}

function boundary(kind: 'colon' | 'comma' | 'sentence' | 'arrow'): ScannedSymbol {
  return { length: 1, token: { type: 'boundary', kind } };
}

function unclear(length: number): ScannedSymbol {
  return { length, token: { type: 'unclear' } };
}

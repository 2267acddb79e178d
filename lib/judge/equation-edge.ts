import type { Edge } from './equation-runs.ts';
import type { MathToken } from './math-token.ts';

/** How far an operand can be trusted to be the whole of its side. */
export type EdgeTrust =
  | 'no' // more of the expression is likely to stand in the words around it
  | 'confirm' // good enough to confirm an equation
  | 'refute'; // good enough to call one false

const words = (text: string) => new Set(text.split(/\s+/));

/** Before a number these make it part of something larger: "half of", "Step 3 - 4". */
const BINDING_BEFORE = words(`
  of times plus minus divided over by from than per mod modulo base choose half twice thrice double triple square
  squared cube cubed root subtract subtracted subtracting divide dividing multiply multiplied less fewer more between
  sin cos tan cot sec csc log ln exp gcd lcm max min floor ceil ceiling abs det sqrt negative factorial
  step steps case cases row column part equation line item option example method problem question page chapter
  figure table section round stage level phase point vertex node set group digit digits bits binary hex
`);
/** Words after which a calculation normally starts. Others, unknown, are no ground for calling it false. */
const OPENING = words(`
  is are was be been being equals equal gets get got getting have has had having so then thus therefore hence gives
  give gave giving yields yield that means since because as to calculate compute computing calculating calculated
  we which where it's its now here also first next finally but indeed actually wait okay ok yes no correct check
  verify becomes become if like for with would total cost costs spends spend earns earn makes make made pays pay
  need needs sells sold used uses use left remaining altogether per add adding and into result answer sum product
  difference find know obtain simply just simplifies evaluates say hmm well again
`);
/** After a number these change it: "= 3 mod 5", "= 2 hours", "= 3 remainder 2". */
const BINDING_AFTER = words(`
  mod modulo remainder rem times plus minus divided over choose hundred thousand million billion trillion dozen
  percent percentage squared cubed factorial base in with and or to power degrees degree radians
  second seconds minute minutes min mins hour hours hr hrs day days week weeks month months year years
  cm mm km meter meters metre metres inch inches foot feet ft yard yards mile miles cent cents dollar dollars
  gram grams kg kilogram kilograms pound pounds ounce ounces oz lb lbs liter liters litre litres ml gallon gallons
  quarter quarters half halves third thirds fourth fourths fifth fifths tenth tenths cups cup pints quarts nickels
  dimes pennies pairs pair sets packs boxes rest if when unless is less more
`);
/** After a comma: "17/5 = 3, remainder 2". */
const AFTER_COMMA = words('remainder rem with mod modulo');

/** Trust in the outer end of the first operand. `compound` tells a calculation from a bare number. */
export function leftTrust(tokens: readonly MathToken[], edge: Edge, compound: boolean): EdgeTrust {
  if (edge.kind !== 'token') return edge.kind === 'bracket' ? 'refute' : 'no';
  let at = edge.at;
  const token = tokens[at];
  if (token === undefined) return 'refute';
  if (token.type === 'word') return compound ? wordBefore(token.word) : 'no';
  if (token.type !== 'boundary') return 'no';
  if (token.kind === 'line' || token.kind === 'math') {
    while (isOpenBoundary(tokens[at])) at--;
    const before = tokens[at];
    if (before?.type === 'operator' || before?.type === 'relation') return 'no';
    if (token.kind === 'line') return 'refute';
    if (before?.type === 'word' && BINDING_BEFORE.has(before.word)) return 'no';
    return before?.type === 'unclear' || before?.type === 'number' ? 'confirm' : 'refute';
  }
  if (!compound) return 'no';
  const listed = token.kind === 'comma' && tokens[at - 1]?.type === 'number';
  return listed ? 'confirm' : 'refute';
}

/** Trust in the outer end of the last operand. */
export function rightTrust(tokens: readonly MathToken[], edge: Edge): EdgeTrust {
  if (edge.kind !== 'token') return edge.kind === 'bracket' ? 'refute' : 'no';
  let at = edge.at;
  const edgeToken = tokens[at];
  while (isOpenBoundary(tokens[at])) at++;
  const token = tokens[at];
  if (token === undefined) return 'refute';
  if (token.type === 'operator') return 'no';
  if (token.type === 'word') {
    const newLine = edgeToken?.type === 'boundary' && edgeToken.kind === 'line';
    return newLine ? 'refute' : wordAfter(tokens, at);
  }
  if (token.type === 'boundary' && token.kind === 'comma') {
    const next = tokens[at + 1];
    return next?.type === 'word' && AFTER_COMMA.has(next.word) ? 'no' : 'refute';
  }
  return 'refute';
}

function wordBefore(word: string): EdgeTrust {
  if (BINDING_BEFORE.has(word)) return 'no';
  return OPENING.has(word) ? 'refute' : 'confirm';
}

/** "= 7 apples + 3 apples": the side goes on after the words. */
function wordAfter(tokens: readonly MathToken[], at: number): EdgeTrust {
  const token = tokens[at];
  if (token?.type === 'word' && BINDING_AFTER.has(token.word)) return 'no';
  let next = at;
  while (tokens[next]?.type === 'word' && next < at + 3) next++;
  return tokens[next]?.type === 'operator' ? 'no' : 'refute';
}

function isOpenBoundary(token: MathToken | undefined): boolean {
  return token?.type === 'boundary' && (token.kind === 'math' || token.kind === 'line');
}

/** An exact rational in lowest terms; the denominator is positive. */
export interface Rational {
  num: bigint;
  den: bigint;
}

/** A written number: its value and whether a percent sign was written (50% has the value 1/2). */
export interface WrittenNumber {
  value: Rational;
  percent: boolean;
}

export function rational(num: bigint, den = 1n): Rational {
  const sign = den < 0n ? -1n : 1n;
  const divisor = gcd(num < 0n ? -num : num, den < 0n ? -den : den);
  return { num: (sign * num) / divisor, den: (sign * den) / divisor };
}

export function rationalsEqual(a: Rational, b: Rational): boolean {
  return a.num === b.num && a.den === b.den;
}

function gcd(a: bigint, b: bigint): bigint {
  let x = a;
  let y = b;
  while (y !== 0n) [x, y] = [y, x % y];
  return x === 0n ? 1n : x;
}

/** Longer digit strings are not read as numbers: BigInt arithmetic on them is not linear. */
const MAX_LENGTH = 1000;

const CURRENCY = /^(?:\\?\$|£|€|¥|₹|USD|EUR|GBP)|(?:\\?\$|£|€|¥|₹|USD|EUR|GBP|dollars?|cents?|euros?)$/;
const DECIMAL = /^(?:\d+(?:\.\d*)?|\.\d+)$/;
const GROUPED = /^\d{1,3}(?:,\d{3})+(?:\.\d+)?$/;
const LATEX_FRACTION = /^(\d*)\\frac\{([^{}]+)\}\{([^{}]+)\}$/;

/**
 * Reads normalised text (see normalize.ts) as one exact number: integer, decimal, a/b, \frac{a}{b}, mixed number,
 * percentage, thousands separators, a sign, a currency sign, a unit after the number. Null for anything else.
 */
export function parseRational(text: string): WrittenNumber | null {
  if (text.length > MAX_LENGTH) return null;
  let body = stripUnit(text.trim());
  const sign = /^[-+]/.exec(body)?.[0] ?? '';
  body = body.slice(sign.length).trim().replace(CURRENCY, '').trim();
  const percent = /\s?\\?%$|\s?percent$/.exec(body)?.[0] ?? '';
  if (percent !== '') body = body.slice(0, -percent.length);
  const magnitude = parseMagnitude(body.replaceAll('{,}', ','));
  if (magnitude === null) return null;
  const den = percent === '' ? magnitude.den : magnitude.den * 100n;
  return { value: rational(sign === '-' ? -magnitude.num : magnitude.num, den), percent: percent !== '' };
}

/** "17 hours", "27 square miles", "9 cm^2": words after a number carry no value, unless they are numbers themselves. */
const WORD_UNIT = /^([-+]?\\?\$?[\d.,/]*\d%?)((?: [a-zµ]{1,20}){1,4}(?:\/[a-z]{1,20})?)(?:\^[23])?$/i;
const SHORT_UNIT =
  /^([-+]?[\d.,/]*\d) ?(?:mm|cm|dm|km|mg|kg|ml|ft|yd|mi|lb|lbs|oz|hr|hrs|min|mph|ms|sq)(?:\^[23])?$/;
const NOT_A_UNIT =
  /\b(?:hundreds?|thousands?|millions?|billions?|trillions?|dozens?|percent|halves|half|thirds?|quarters?|times|plus|minus|over|of|and|or|to|not|pi|[a-z])\b/i;

function stripUnit(text: string): string {
  const short = SHORT_UNIT.exec(text);
  if (short !== null) return short[1]!;
  const match = WORD_UNIT.exec(text);
  return match === null || NOT_A_UNIT.test(match[2]!) ? text : match[1]!;
}

function parseMagnitude(text: string): Rational | null {
  const latex = LATEX_FRACTION.exec(text);
  if (latex !== null) return addWhole(latex[1]!, fraction(latex[2]!, latex[3]!));
  const mixed = /^(\d+) (\d+)\/(\d+)$/.exec(text);
  if (mixed !== null) return addWhole(mixed[1]!, fraction(mixed[2]!, mixed[3]!));
  const slash = text.indexOf('/');
  if (slash >= 0) return fraction(text.slice(0, slash), text.slice(slash + 1));
  return parseDecimal(text);
}

function fraction(top: string, bottom: string): Rational | null {
  const num = parseSigned(top);
  const den = parseSigned(bottom);
  if (num === null || den === null || den.num === 0n) return null;
  return rational(num.num * den.den, num.den * den.num);
}

function addWhole(whole: string, part: Rational | null): Rational | null {
  if (part === null || whole === '') return part;
  return rational(BigInt(whole) * part.den + part.num, part.den);
}

function parseSigned(text: string): Rational | null {
  const body = text.trim();
  const negative = body.startsWith('-');
  const value = parseDecimal(negative ? body.slice(1) : body);
  return value === null || !negative ? value : { num: -value.num, den: value.den };
}

function parseDecimal(text: string): Rational | null {
  const body = GROUPED.test(text) ? text.replaceAll(',', '') : text;
  if (!DECIMAL.test(body)) return null;
  const [whole = '', decimals = ''] = body.split('.');
  return rational(BigInt(whole + decimals || '0'), 10n ** BigInt(decimals.length));
}

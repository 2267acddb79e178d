import { type Rational, rational } from './rational.ts';
import { readUnit, type Unit } from './units.ts';

/** A written number: its value and how it was written. */
export interface WrittenNumber {
  value: Rational;
  /** A percent sign was written; 50% has the value 1/2. */
  percent: boolean;
  unit: Unit | null;
  /** Digits after the point of a decimal; null for integers, fractions and mixed numbers. */
  decimals: number | null;
}

/** Longer digit strings are not read as numbers: BigInt arithmetic on them is not linear. */
const MAX_LENGTH = 1000;

const SIGN_BEFORE = /^(?:\\?\$|£|€|¥|₹|USD|EUR|GBP) ?/;
const SIGN_AFTER = / ?(?:\\?\$|£|€|¥|₹|¢|°|USD|EUR|GBP)$/;
const DECIMAL = /^(?:\d+(?:\.\d*)?|\.\d+)$/;
const GROUPED = /^\d{1,3}(?:,\d{3})+(?:\.\d+)?$/;
const SPACED = /^\d{1,3}(?: \d{3})+(?:\.\d+)?$/;
/** "1.234.567,89": two groups at least, or it is an ordinary decimal. */
const POINT_GROUPED = /^\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?$|^\d{1,3}(?:\.\d{3})+,\d+$/;
const LATEX_FRACTION = /^(\d*) ?\\frac\{([^{}]+)\}\{([^{}]+)\}$/;

/**
 * Reads normalised text (see normalize.ts) as one exact number: integer, decimal, a/b, \frac{a}{b}, mixed number,
 * percentage, thousands separators, a sign, a currency sign, a unit after the number. Null for anything else.
 */
export function parseRational(text: string): WrittenNumber | null {
  if (text.length > MAX_LENGTH) return null;
  const { body: measured, unit } = splitUnit(text.trim());
  const sign = /^[-+]/.exec(measured)?.[0] ?? '';
  let body = measured.slice(sign.length).trim();
  const currency = SIGN_BEFORE.exec(body)?.[0] ?? '';
  body = body.slice(currency.length);
  const percent = /\s?\\?%$|\s?(?:percent|percentage|pct)$/.exec(body)?.[0] ?? '';
  if (percent !== '') body = body.slice(0, -percent.length);
  if (currency !== '' && (unit !== null || percent !== '')) return null;
  const magnitude = parseMagnitude(commas(body));
  if (magnitude === null) return null;
  const den = percent === '' ? magnitude.den : magnitude.den * 100n;
  return {
    value: rational(sign === '-' ? -magnitude.num : magnitude.num, den),
    percent: percent !== '',
    unit: currency === '' ? unit : readUnit(currency.replace('\\', '')),
    decimals: DECIMAL.test(body) && body.includes('.') ? body.length - body.indexOf('.') - 1 : null,
  };
}

/** "{,}" between digits: a thousands separator before three digits, otherwise a decimal comma. */
function commas(body: string): string {
  if (!body.includes('{,}')) return body;
  return /^\d+\{,\}(?:\d{1,2}|\d{4,})$/.test(body) ? body.replace('{,}', '.') : body.replaceAll('{,}', ',');
}

/** "17 hours", "27 square miles", "9 cm^2": words after a number, unless they are numbers themselves. */
const WORD_UNIT =
  /^([-+]?\\?\$?[\d.,/{}]*\d%?|[-+]?\d* ?\\frac\{\d+\}\{\d+\})((?: [a-zµ]{1,20}){1,4}(?:\/[a-z]{1,20})?)(\^\{?[23]\}?)?$/i;
const SHORT_UNIT =
  /^([-+]?(?:[\d.,/{}]*\d|\d* ?\\frac\{\d+\}\{\d+\})) ?((?:sq ?)?(?:mm|cm|dm|km|mg|kg|ml|ft|yd|mi|lb|lbs|oz|hr|hrs|min|mph|ms|sq|km\/h|m\/s)(?:\^\{?[23]\}?)?)$/;
const NOT_A_UNIT =
  /\b(?:hundreds?|thousands?|millions?|billions?|trillions?|dozens?|percent|percentage|pct|halves|half|thirds?|quarters?|times|plus|minus|over|of|and|or|to|not|pi|base|mod|[a-z])\b/i;

function splitUnit(text: string): { body: string; unit: Unit | null } {
  const sign = SIGN_AFTER.exec(text)?.[0];
  if (sign !== undefined)
    return { body: text.slice(0, -sign.length), unit: readUnit(sign.replace('\\', '')) };
  const short = SHORT_UNIT.exec(text);
  if (short !== null) return { body: short[1]!, unit: readUnit(short[2]!) };
  const match = WORD_UNIT.exec(text);
  if (match === null || NOT_A_UNIT.test(match[2]!)) return { body: text, unit: null };
  return { body: match[1]!, unit: readUnit(match[2]! + (match[3] ?? '')) };
}

function parseMagnitude(text: string): Rational | null {
  const repeating = /^(\d{0,40})\.(\d{0,40})\\overline\{?(\d{1,40})\}?$/.exec(text);
  if (repeating !== null) return repeatingDecimal(repeating[1]!, repeating[2]!, repeating[3]!);
  const latex = LATEX_FRACTION.exec(text);
  if (latex !== null) return addWhole(latex[1]!, fraction(latex[2]!, latex[3]!));
  const mixed = /^(\d+) (\d+)\/(\d+)$/.exec(text);
  if (mixed !== null) return addWhole(mixed[1]!, fraction(mixed[2]!, mixed[3]!));
  const slash = text.indexOf('/');
  if (slash >= 0) return fraction(text.slice(0, slash), text.slice(slash + 1));
  return readDecimal(text);
}

/** a.bcc… = (abc − ab) / (10^|b| (10^|c| − 1)), the digits read as whole numbers. */
function repeatingDecimal(whole: string, fixed: string, period: string): Rational {
  const start = BigInt(whole + fixed || '0');
  const nines = 10n ** BigInt(period.length) - 1n;
  return rational(start * nines + BigInt(period), 10n ** BigInt(fixed.length) * nines);
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
  const value = readDecimal(negative ? body.slice(1) : body);
  return value === null || !negative ? value : { num: -value.num, den: value.den };
}

/** Digits with a decimal point and thousands separators; no sign. */
export function readDecimal(text: string): Rational | null {
  const body = withoutSeparators(text);
  if (body.length > MAX_LENGTH || !DECIMAL.test(body)) return null;
  const [whole = '', decimals = ''] = body.split('.');
  return rational(BigInt(whole + decimals || '0'), 10n ** BigInt(decimals.length));
}

function withoutSeparators(text: string): string {
  if (GROUPED.test(text)) return text.replaceAll(',', '');
  if (SPACED.test(text)) return text.replaceAll(' ', '');
  return POINT_GROUPED.test(text) ? text.replaceAll('.', '').replace(',', '.') : text;
}

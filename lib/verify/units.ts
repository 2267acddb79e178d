import { divideRationals, type Rational, rational } from './rational.ts';

/** A unit as written, in one spelling: "square miles" and "mi^2" are { name: 'mi', power: 2 }. */
export interface Unit {
  name: string;
  power: number;
  /** "km/h": the unit below the line. */
  per: string | null;
}

/** dimension, size in the dimension's base, spellings (singular). Converted exactly, or not listed. */
const KNOWN: readonly (readonly [string, Rational, readonly string[]])[] = [
  ['length', rational(1n, 1000n), ['mm', 'millimeter', 'millimetre']],
  ['length', rational(1n, 100n), ['cm', 'centimeter', 'centimetre']],
  ['length', rational(1n, 10n), ['dm', 'decimeter', 'decimetre']],
  ['length', rational(1n), ['m', 'meter', 'metre']],
  ['length', rational(1000n), ['km', 'kilometer', 'kilometre']],
  ['length', rational(254n, 10000n), ['in', 'inch', 'inche']],
  ['length', rational(3048n, 10000n), ['ft', 'foot', 'feet']],
  ['length', rational(9144n, 10000n), ['yd', 'yard']],
  ['length', rational(1609344n, 1000n), ['mi', 'mile']],
  ['mass', rational(1n, 1000000n), ['mg', 'milligram']],
  ['mass', rational(1n, 1000n), ['g', 'gram']],
  ['mass', rational(1n), ['kg', 'kilogram', 'kilo']],
  ['mass', rational(45359237n, 100000000n), ['lb', 'pound']],
  ['mass', rational(45359237n, 1600000000n), ['oz', 'ounce']],
  ['time', rational(1n, 1000n), ['ms', 'millisecond']],
  ['time', rational(1n), ['s', 'sec', 'second']],
  ['time', rational(60n), ['min', 'minute']],
  ['time', rational(3600n), ['h', 'hr', 'hour']],
  ['time', rational(86400n), ['day']],
  ['time', rational(604800n), ['week']],
  ['volume', rational(1n, 1000n), ['ml', 'milliliter', 'millilitre']],
  ['volume', rational(1n), ['l', 'liter', 'litre']],
  ['angle', rational(1n), ['°', 'deg', 'degree']],
  ['radian', rational(1n), ['rad', 'radian']],
  ['money', rational(100n), ['$', 'dollar', 'usd']],
  ['money', rational(1n), ['cent', '¢']],
  ['euro', rational(1n), ['€', 'eur', 'euro']],
  ['sterling', rational(1n), ['£', 'gbp']],
  ['yen', rational(1n), ['¥', 'yen']],
  ['rupee', rational(1n), ['₹', 'rupee']],
];

const BY_SPELLING = new Map(
  KNOWN.flatMap(([dimension, size, spellings]) =>
    spellings.map((spelling) => [spelling, { dimension, size, name: spellings[0]! }] as const),
  ),
);

/** Reads the words after (or the sign before) a number. */
export function readUnit(written: string): Unit {
  const text = written.trim().toLowerCase().replace(/\s+/g, ' ');
  const [, prefix = '', body = '', power = ''] =
    /^(square |cubic |sq )?(.*?)(?:\^\{?([23])\}?)?$/.exec(text) ?? [];
  const [top = '', bottom] = body.replace(/ per /, '/').split('/');
  const named = prefix === 'square ' || prefix === 'sq ' ? 2 : prefix === 'cubic ' ? 3 : 1;
  return {
    name: canonicalName(top),
    power: power === '' ? named : Number(power),
    per: bottom === undefined ? null : canonicalName(bottom),
  };
}

function canonicalName(text: string): string {
  const word = text.trim().replace(/(?<=[^s])s$/, '');
  return BY_SPELLING.get(text.trim())?.name ?? BY_SPELLING.get(word)?.name ?? word;
}

/**
 * How many of the second unit make one of the first: 1 for the same unit, exact for two of one dimension.
 * 'different' where both are known and measure different things, 'unclear' for words that are not known.
 */
export function unitRatio(a: Unit, b: Unit): Rational | 'different' | 'unclear' {
  if (a.name === b.name && a.power === b.power && a.per === b.per) return rational(1n);
  const [x, y] = [BY_SPELLING.get(a.name), BY_SPELLING.get(b.name)];
  if (x === undefined || y === undefined || a.per !== b.per) return 'unclear';
  if (x.dimension !== y.dimension || a.power !== b.power) return 'different';
  const ratio = divideRationals(x.size, y.size)!;
  return rational(ratio.num ** BigInt(a.power), ratio.den ** BigInt(a.power));
}

/** A unit that could as well be a variable: "5m" where nothing says that m is text. */
export function isLetterUnit(letter: string): boolean {
  return /^[mgshlLJNVWK]$/.test(letter);
}

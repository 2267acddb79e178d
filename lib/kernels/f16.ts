/** The value of an IEEE binary16 pattern, exactly. */
export function fromF16(pattern: number): number {
  const sign = pattern & 0x8000 ? -1 : 1;
  const exponent = (pattern >> 10) & 0x1f;
  const fraction = pattern & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** `magnitude` >= 0 in units of `unit`, rounded to a whole number, ties to even. */
function roundTo(magnitude: number, unit: number): number {
  const units = magnitude / unit; // exact: the unit is a power of two
  const below = Math.floor(units);
  const rest = units - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}

/** The f16 pattern nearest to `value`, ties to even; from 65520 on infinity; NaN stays NaN. */
export function toF16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | roundTo(magnitude, 2 ** -24);
  let exponent = Math.floor(Math.log2(magnitude));
  // The logarithm is rounded: near a power of two it may name the neighbour.
  if (2 ** exponent > magnitude) exponent -= 1;
  else if (2 ** (exponent + 1) <= magnitude) exponent += 1;
  // A carry out of the fraction goes into the exponent, as it must.
  return sign | (((exponent + 14) << 10) + roundTo(magnitude, 2 ** (exponent - 10)));
}

export function toF16Array(values: ArrayLike<number>): Uint16Array {
  return Uint16Array.from(values, toF16);
}

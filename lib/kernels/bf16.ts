const scratch = new Float32Array(1);
const bits = new Uint32Array(scratch.buffer);

/** The bf16 pattern nearest to `value`, ties to even; NaN stays NaN. */
export function toBf16(value: number): number {
  scratch[0] = value;
  const word = bits[0]!;
  if ((word & 0x7fffffff) > 0x7f800000) return ((word >>> 16) | 0x40) & 0xffff;
  return ((word + 0x7fff + ((word >>> 16) & 1)) >>> 16) & 0xffff;
}

/** The value of a bf16 pattern, exactly. */
export function fromBf16(pattern: number): number {
  bits[0] = (pattern & 0xffff) << 16;
  return scratch[0]!;
}

export function toBf16Array(values: ArrayLike<number>): Uint16Array {
  return Uint16Array.from(values, toBf16);
}

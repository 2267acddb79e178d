/**
 * Decodes UTF-8 as TextDecoder does (each longest ill-formed start becomes one U+FFFD), and tells of each byte the
 * index of the character (UTF-16) that it went into.
 */
export function decodeWithMap(bytes: Uint8Array): { text: string; characters: Uint32Array } {
  const characters = new Uint32Array(bytes.length);
  let at = 0;
  let units = 0;
  while (at < bytes.length) {
    const { size, wellFormed } = sequenceAt(bytes, at);
    characters.fill(units, at, at + size);
    // Four bytes make a pair of units; everything else, U+FFFD too, one.
    units += wellFormed && size === 4 ? 2 : 1;
    at += size;
  }
  return { text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes), characters };
}

/** The length of the character that starts here, or of what of it is well-formed, at least 1. */
function sequenceAt(bytes: Uint8Array, at: number): { size: number; wellFormed: boolean } {
  const lead = bytes[at]!;
  if (lead < 0x80) return { size: 1, wellFormed: true };
  const wanted =
    lead >= 0xc2 && lead <= 0xdf ? 2 : lead >> 4 === 0xe ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
  if (wanted === 0) return { size: 1, wellFormed: false };
  // The second byte is bounded further, against overlong forms, surrogates and what is above U+10FFFF.
  const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  let size = 1;
  for (; size < wanted; size++) {
    const byte = bytes[at + size] ?? 0;
    const [from, to] = size === 1 ? [least, most] : [0x80, 0xbf];
    if (byte < from || byte > to) return { size, wellFormed: false };
  }
  return { size, wellFormed: true };
}

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder that is gone after the test file; `write` puts JSON (or text) into it and gives the path. */
export function temporaryFolder(): { write(name: string, content: unknown): string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'lapidary-hf-'));
  return {
    write(name, content) {
      const path = join(folder, name);
      writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
      return path;
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
}

/** The byte alphabet written down from its definition: bytes that print stand for themselves. */
export function byteLevel(bytes: Uint8Array): string {
  const prints = (b: number): boolean =>
    (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
  const others = Array.from({ length: 256 }, (_, b) => b).filter((b) => !prints(b));
  return Array.from(bytes, (b) => String.fromCharCode(prints(b) ? b : 256 + others.indexOf(b))).join('');
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The 🎉 of the tests is four bytes over three tokens. */
export const PARTY = utf8('🎉');

/** An entry as the packages that read these files want it. */
function added(id: number, content: string, special: boolean): object {
  return { id, content, special, single_word: false, lstrip: false, rstrip: false, normalized: false };
}

const BYTE_LEVEL = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false };

/** Like Qwen's: byte-level BPE, special and ordinary added tokens after the vocabulary, one id left out. */
export const BYTE_LEVEL_PIECES: readonly Uint8Array[] = [
  utf8('First'),
  utf8(' First'),
  utf8('.\n\n'),
  PARTY.subarray(0, 1),
  PARTY.subarray(1, 2),
  PARTY.subarray(2, 4),
  utf8('é'),
  utf8('\n'),
  utf8('.\n\nWa'),
  utf8('it'),
  utf8(' '),
  Uint8Array.of(0),
];

export function byteLevelFile(): unknown {
  const vocab = Object.fromEntries(BYTE_LEVEL_PIECES.map((bytes, id) => [byteLevel(bytes), id]));
  return {
    version: '1.0',
    added_tokens: [
      added(20, '<|im_end|>', true),
      added(21, '</think>', false),
      added(22, '<｜end▁of▁sentence｜>', true),
      added(23, '<|think|>', true),
    ],
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: '\\s+' }, behavior: 'Isolated', invert: false },
        BYTE_LEVEL,
      ],
    },
    decoder: BYTE_LEVEL,
    model: { type: 'BPE', vocab, merges: [] },
  };
}

/** Like Llama 2's: "▁" for a space, a token for each byte, the first space dropped. */
export function sentencePieceFile(): unknown {
  const bytes = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`);
  const pieces = ['<unk>', '<s>', '</s>', ...bytes, '▁First', 'First', '▁', '▁▁', '.', 'Wait', '日'];
  return {
    version: '1.0',
    added_tokens: [added(0, '<unk>', true), added(1, '<s>', true), added(2, '</s>', true)],
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }] },
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      byte_fallback: true,
      vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
      merges: [],
    },
  };
}

/** Like XLM-R's: Unigram, the vocabulary a list of pieces with scores. */
export function unigramFile(): unknown {
  return {
    added_tokens: [added(0, '<s>', true), added(1, '</s>', true)],
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' },
    decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' },
    model: {
      type: 'Unigram',
      unk_id: 2,
      vocab: [
        ['<s>', 0],
        ['</s>', 0],
        ['<unk>', 0],
        ['▁a', -1],
        ['b', -2],
      ],
    },
  };
}

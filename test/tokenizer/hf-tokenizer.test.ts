import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import type { Rollout } from '../../lib/data/records.ts';
import { tokenSpans } from '../../lib/segment/token-spans.ts';
import { ByteTokenizer } from '../../lib/tokenizer/byte-tokenizer.ts';
import { checkTokenizer } from '../../lib/tokenizer/check-tokenizer.ts';
import { HfTokenizer, tokenizerSha256 } from '../../lib/tokenizer/hf-tokenizer.ts';
import {
  BYTE_LEVEL_PIECES,
  byteLevelFile,
  PARTY,
  sentencePieceFile,
  temporaryFolder,
  unigramFile,
} from './hf-files.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const byteLevelPath = folder.write('byte-level.json', byteLevelFile());
const sentencePiecePath = folder.write('sentencepiece.json', sentencePieceFile());
const qwen = new HfTokenizer(byteLevelPath, { eosToken: '<|im_end|>' });
const llama = new HfTokenizer(sentencePiecePath, { eosToken: '</s>' });

/** "a|b" gives the text "ab" and two spans. */
function marked(source: string): { text: string; spans: { start: number; end: number }[] } {
  let at = 0;
  const spans = source.split('|').map((part) => {
    const span = { start: at, end: at + part.length };
    at = span.end;
    return span;
  });
  return { text: source.replaceAll('|', ''), spans };
}

function owners(source: string, ids: number[], tokenizer: HfTokenizer): number[][] {
  const { text, spans } = marked(source);
  return tokenSpans(text, spans, ids, tokenizer).map(({ start, end }) => ids.slice(start, end));
}

describe('a byte-level tokenizer.json', () => {
  it('gives the bytes of each id', () => {
    for (const [id, bytes] of BYTE_LEVEL_PIECES.entries()) {
      expect([...qwen.bytesOf(id)], `id ${id}`).toEqual([...bytes]);
    }
    expect(qwen.vocabSize).toBe(24);
    expect(qwen.eosId).toBe(20);
  });

  it('decodes a character that is spread over several tokens', () => {
    expect(qwen.decode([0, 2, 3, 4, 5, 1])).toBe('First.\n\n🎉 First');
    expect(qwen.decode([3, 4])).toBe('\uFFFD');
  });

  it('knows the whole byte alphabet', () => {
    const every = Uint8Array.from({ length: 256 }, (_, b) => b);
    const names = [...every].map((b) => {
      const prints = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
      if (prints) return String.fromCharCode(b);
      const rank = b <= 32 ? b : b <= 160 ? b - 127 + 33 : 67;
      return String.fromCharCode(256 + rank);
    });
    // The names that GPT-2's vocabulary is known for.
    expect([names[0x20], names[0x0a], names[0x09], names[0x00]]).toEqual(['Ġ', 'Ċ', 'ĉ', 'Ā']);
    const file = { ...(byteLevelFile() as object), model: { type: 'BPE', vocab: {} as object } };
    file.model.vocab = Object.fromEntries(names.map((name, b) => [name, b]));
    const path = folder.write('alphabet.json', { ...file, added_tokens: [] });
    const tokenizer = new HfTokenizer(path, { eosToken: 'Ā' });
    expect([...every].map((b) => [...tokenizer.bytesOf(b)])).toEqual([...every].map((b) => [b]));
  });

  it('keeps pieces whose names are those of object members', () => {
    const text = JSON.stringify(byteLevelFile()).replace(
      '"vocab":{',
      '"vocab":{"__proto__":13,"toString":14,',
    );
    const tokenizer = new HfTokenizer(folder.write('members.json', text), { eosToken: '<|im_end|>' });
    expect(tokenizer.decode([13, 14])).toBe('__proto__toString');
  });

  it('gives special tokens bytes only where the texts spell them out', () => {
    const text = new HfTokenizer(byteLevelPath, { eosToken: '<|im_end|>', specialTokens: 'text' });
    const one = new HfTokenizer(byteLevelPath, { eosToken: '<|im_end|>', spelledOut: ['<|think|>'] });
    const ids = [23, 0, 21, 22, 20];
    expect(qwen.decode(ids)).toBe('First</think>');
    expect(text.decode(ids)).toBe('<|think|>First</think><｜end▁of▁sentence｜><|im_end|>');
    expect(one.decode(ids)).toBe('<|think|>First</think>');
  });

  it('takes the eos token from the configuration beside it', () => {
    const other = temporaryFolder();
    const path = other.write('tokenizer.json', byteLevelFile());
    expect(() => new HfTokenizer(path)).toThrowError(expect.objectContaining({ argument: 'eosToken' }));
    other.write('tokenizer_config.json', { eos_token: { content: '<|im_end|>' } });
    expect(new HfTokenizer(path).eosId).toBe(20);
    other.write('tokenizer_config.json', { eos_token: '<｜end▁of▁sentence｜>' });
    expect(new HfTokenizer(path).eosId).toBe(22);
    other.write('tokenizer_config.json', '{');
    expect(() => new HfTokenizer(path)).toThrowError(expect.objectContaining({ code: 'ERR_LAPIDARY_DATA' }));
    other.remove();
  });
});

describe('a SentencePiece tokenizer.json', () => {
  const id = (piece: string): number =>
    (sentencePieceFile() as { model: { vocab: Record<string, number> } }).model.vocab[piece]!;

  it('reads spaces and byte tokens', () => {
    expect(new TextDecoder().decode(llama.bytesOf(id('▁First')))).toBe(' First');
    expect([...llama.bytesOf(id('<0x0A>'))]).toEqual([10]);
    expect([...llama.bytesOf(id('▁▁'))]).toEqual([32, 32]);
    const party = [...PARTY].map((byte) => id(`<0x${byte.toString(16).toUpperCase()}>`));
    expect(llama.decode([1, id('▁First'), id('.'), ...party, id('日'), 2])).toBe('First.🎉日');
  });

  it('drops the space of the first word in decode, and only there', () => {
    expect(llama.decode([id('▁First'), id('▁First')])).toBe('First First');
    expect(llama.decode([id('▁▁'), id('First')])).toBe(' First');
  });

  it('maps tokens onto a text with or without that space', () => {
    const ids = [id('▁First'), id('.'), id('▁First')];
    expect(owners('First. |First', ids, llama)).toEqual([[ids[0], ids[1]], [ids[2]]]);
    expect(owners(' First. |First', ids, llama)).toEqual([[ids[0], ids[1]], [ids[2]]]);
    expect(() => owners('irst. |First', ids, llama)).toThrowError(/byte 0/);
  });

  it('reads a Unigram vocabulary', () => {
    const tokenizer = new HfTokenizer(folder.write('unigram.json', unigramFile()), { eosToken: '</s>' });
    expect(tokenizer.decode([3, 4, 3])).toBe('ab a');
    expect(tokenizer.eosId).toBe(1);
  });
});

describe('tokens that straddle steps', () => {
  it('belong to the step of their first visible character', () => {
    expect(owners('First.\n\n| First', [0, 2, 1], qwen)).toEqual([[0, 2], [1]]);
    expect(owners('First.\n\n |First', [0, 2, 1], qwen)).toEqual([[0, 2], [1]]);
    expect(owners('First.\n\n|Wait', [0, 8, 9], qwen)).toEqual([[0, 8], [9]]);
    expect(owners('First|🎉| First', [0, 3, 4, 5, 1], qwen)).toEqual([[0], [3, 4, 5], [1]]);
    expect(owners('First</think>\n|First', [0, 21, 7, 0, 20], qwen)).toEqual([
      [0, 21, 7],
      [0, 20],
    ]);
  });
});

describe('identity', () => {
  it('is the hash of the file', () => {
    const expected = createHash('sha256').update(readFileSync(byteLevelPath)).digest('hex');
    expect(tokenizerSha256(byteLevelPath)).toBe(expected);
    expect(qwen.sha256).toBe(expected);
    expect(qwen.id).toBe(`hf:${expected.slice(0, 16)}`);
  });

  const rollout = (sampler: object, ids: number[] | null = [1]): Rollout =>
    ({
      rollout_id: 'r7',
      response_ids: ids,
      sampler: { engine: 'e', model: 'm', ...sampler },
    }) as unknown as Rollout;

  it('passes rollouts of the same tokenizer, of none, and without ids', () => {
    const samplers = [
      { tokenizer_sha256: qwen.sha256 },
      { tokenizer_sha256: qwen.sha256.toUpperCase() },
      { tokenizer: qwen.id },
      { tokenizer: 'Qwen/some-name', tokenizer_sha256: qwen.sha256 },
      {},
      { tokenizer: null, tokenizer_sha256: null },
    ];
    checkTokenizer(
      samplers.map((sampler) => rollout(sampler)),
      qwen,
    );
    checkTokenizer([rollout({ tokenizer_sha256: 'aa' }, null)], qwen);
  });

  it('refuses those of another, naming rollout, expected and found', () => {
    for (const [sampler, argument, found] of [
      [{ tokenizer_sha256: llama.sha256 }, 'sampler.tokenizer_sha256', llama.sha256],
      [{ tokenizer_sha256: qwen.sha256.slice(0, 16) }, 'sampler.tokenizer_sha256', qwen.sha256.slice(0, 16)],
      [{ tokenizer_sha256: 3 }, 'sampler.tokenizer_sha256', '3'],
      [{ tokenizer: llama.id }, 'sampler.tokenizer', llama.id],
    ] as const) {
      expect(() => checkTokenizer([rollout({}), rollout(sampler)], qwen)).toThrowError(
        expect.objectContaining({ code: 'ERR_LAPIDARY_DATA', argument }),
      );
      const message = new RegExp(`rollout r7: .*found "?${found}"?, expected .*${qwen.id.slice(3)}`);
      expect(() => checkTokenizer([rollout(sampler)], qwen)).toThrowError(message);
    }
    expect(() => checkTokenizer([rollout({ tokenizer_sha256: qwen.sha256 })], new ByteTokenizer())).toThrow(
      /expected utf8-bytes-v1, which has no file/,
    );
  });
});

describe('refusals', () => {
  const argument = (name: string) =>
    expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument: name });

  it('encode says that ids are only read', async () => {
    expect(() => qwen.encode('a')).toThrowError(argument('encode'));
    await expect(qwen.encodeAsync('a')).rejects.toThrowError(/loadHfEncoder/);
    const encoder = {
      id: 'e',
      encode: async () => ({ ids: [0, 2], offsets: [] }),
      tokenToId: () => null,
    };
    const both = new HfTokenizer(byteLevelPath, { eosToken: '<|im_end|>', encoder });
    expect(await both.encodeAsync('First.\n\n')).toEqual([0, 2]);
    expect(() => both.encode('a')).toThrowError(/encodeAsync/);
  });

  it('an id outside the vocabulary or in a hole of it', () => {
    for (const id of [15, 24, -1, 1.5, Number.NaN]) {
      expect(() => qwen.bytesOf(id), `${id}`).toThrowError(
        expect.objectContaining({ code: 'ERR_LAPIDARY_DATA' }),
      );
    }
  });

  it('tokens that the file does not have', () => {
    expect(() => new HfTokenizer(byteLevelPath, { eosToken: '<none>' })).toThrowError(argument('eosToken'));
    const spelledOut = { eosToken: '<|im_end|>', spelledOut: ['<none>'] };
    expect(() => new HfTokenizer(byteLevelPath, spelledOut)).toThrowError(argument('spelledOut'));
    const odd = { eosToken: '<|im_end|>', specialTokens: 'some' as 'text' };
    expect(() => new HfTokenizer(byteLevelPath, odd)).toThrowError(argument('specialTokens'));
  });

  it('files that cannot be used, naming file and field', () => {
    const wordPiece = { model: { type: 'WordPiece', vocab: { a: 0 } }, decoder: { type: 'WordPiece' } };
    for (const [name, content, field] of [
      ['no.json', 'no json', '(file)'],
      ['array.json', [], '(top level)'],
      ['model.json', {}, 'model'],
      ['none.json', { model: { byte_fallback: true } }, 'model.vocab'],
      ['minus.json', { model: { byte_fallback: true, vocab: { a: -1 } } }, 'model.vocab'],
      ['pairs.json', { model: { byte_fallback: true, vocab: [['a', 0], 'b'] } }, 'model.vocab[1]'],
      ['added.json', { model: { vocab: {} }, added_tokens: [{ id: 'x' }] }, 'added_tokens.0.id'],
      ['twice.json', { model: { byte_fallback: true, vocab: { a: 1, b: 1 } }, decoder: null }, 'model.vocab'],
      ['huge.json', { model: { byte_fallback: true, vocab: { a: 2 ** 31 } } }, 'model.vocab'],
      ['wordpiece.json', wordPiece, 'decoder'],
    ] as const) {
      const path = folder.write(name, content);
      expect(() => new HfTokenizer(path, { eosToken: 'a' }), name).toThrowError(
        expect.objectContaining({
          code: 'ERR_LAPIDARY_DATA',
          argument: field,
          message: expect.stringContaining(path),
        }),
      );
    }
    expect(() => tokenizerSha256('/nowhere/tokenizer.json')).toThrowError(
      expect.objectContaining({ code: 'ERR_LAPIDARY_IO' }),
    );
  });
});

import { mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromBf16, toBf16 } from '../../lib/kernels/bf16.ts';
import { fromF16, toF16 } from '../../lib/kernels/f16.ts';
import { loadPolicy, savePolicy, savePolicyDirectory } from '../../lib/policy/checkpoint.ts';
import { Policy } from '../../lib/policy/policy.ts';
import { llamaConfig, type RawFile, rawBytes, rawFile, writeFolder } from './llama-folder.ts';

const CONFIG = { vocab: 9, width: 8, layers: 2, heads: 2, mlpWidth: 12, maxContext: 16, ropeTheta: 5000 };
const QUERY = 'model.layers.1.self_attn.q_proj.weight';
let root: string;
let count = 0;
beforeAll(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'lapidary-llama-'));
});
afterAll(() => rmSync(root, { recursive: true }));

const fresh = () => path.join(root, String(count++));

function weights(policy: Policy): Record<string, Float32Array> {
  return Object.fromEntries(policy.parameters().map(({ name }) => [name, policy.read('parameters', name)]));
}

/** What loading fails with. */
function fault(source: string): { code: string; message: string; argument?: string } {
  try {
    loadPolicy(source);
  } catch (error) {
    return error as { code: string; message: string; argument?: string };
  }
  return { code: 'none', message: 'it loaded' };
}

describe.each([false, true])('tied head: %s', (tiedHead) => {
  const policy = () => new Policy({ ...CONFIG, tiedHead, normEpsilon: 1e-6 }, { seed: 6 });

  it('has a head of its own exactly where it is not tied', () => {
    const names = policy()
      .parameters()
      .map(({ name }) => name);
    expect(names.includes('lm_head.weight')).toBe(!tiedHead);
  });

  it('files and folders give the same bits back', async () => {
    const original = policy();
    const folder = fresh();
    await savePolicyDirectory(original, folder);
    const file = fresh();
    await savePolicy(original, file);
    const copy = path.join(root, 'alone.safetensors');
    writeFileSync(copy, readFileSync(path.join(folder, 'model.safetensors')));
    for (const source of [folder, file, path.join(folder, 'model.safetensors'), copy]) {
      const loaded = loadPolicy(source);
      expect(loaded.config).toEqual(original.config);
      expect(weights(loaded)).toEqual(weights(original));
    }
  });

  it.each([
    ['F32', (x: number) => x],
    ['BF16', (x: number) => fromBf16(toBf16(x))],
    ['F16', (x: number) => fromF16(toF16(x))],
  ] as const)('a folder of transformers in %s is read exactly', (dtype, rounded) => {
    const original = policy();
    const folder = fresh();
    writeFolder(folder, llamaConfig(original), rawFile(original, dtype));
    const expected = weights(original);
    for (const source of [folder, path.join(folder, 'model.safetensors')]) {
      const loaded = loadPolicy(source);
      expect(loaded.config).toEqual(original.config);
      for (const [name, values] of Object.entries(weights(loaded))) {
        expect(values, name).toEqual(expected[name]!.map(rounded));
      }
    }
  });
});

describe('a tied file that holds the matrix twice', () => {
  const tied = new Policy({ ...CONFIG, tiedHead: true }, { seed: 6 });
  const withHead = (head: Float32Array): RawFile => {
    const { header, data } = rawFile(tied, 'F32');
    const offsets = [data.length, data.length + head.byteLength];
    header['lm_head.weight'] = { dtype: 'F32', shape: [CONFIG.vocab, CONFIG.width], data_offsets: offsets };
    return { header, data: Buffer.concat([data, Buffer.from(head.buffer)]) };
  };

  it('loads where both are the same, and is refused where they differ', () => {
    const folder = fresh();
    const embedding = tied.read('parameters', 'model.embed_tokens.weight');
    writeFolder(folder, llamaConfig(tied), withHead(embedding));
    expect(weights(loadPolicy(folder))).toEqual(weights(tied));
    writeFolder(folder, llamaConfig(tied), withHead(embedding.map((x) => 2 * x)));
    expect(fault(folder)).toMatchObject({ code: 'ERR_LAPIDARY_DATA', argument: 'lm_head.weight' });
  });
});

const untied = new Policy({ ...CONFIG }, { seed: 6 });

describe('config.json that is another model', () => {
  it.each([
    ['num_key_value_heads', 1],
    ['head_dim', 16],
    ['rope_scaling', { rope_type: 'llama3', factor: 8 }],
    ['rope_scaling', { type: 'linear', factor: 2 }],
    ['rope_parameters', { rope_type: 'yarn', rope_theta: 10000 }],
    ['attention_bias', true],
    ['mlp_bias', true],
    ['hidden_act', 'gelu'],
    ['model_type', 'qwen3'],
    ['quantization_config', { bits: 4 }],
    ['hidden_size', '8'],
    ['vocab_size', -9],
    ['num_hidden_layers', 1.5],
    ['rms_norm_eps', 0],
    ['rope_theta', null],
    ['tie_word_embeddings', 'no'],
  ])('%s: %j is refused by name', (field, value) => {
    const folder = fresh();
    const config = { ...llamaConfig(untied), [field]: value };
    if (value === null) config.rope_parameters = { rope_type: 'default', rope_theta: -1 };
    writeFolder(folder, config, rawFile(untied, 'F32'));
    const { code, argument, message } = fault(folder);
    expect([code, argument]).toEqual(['ERR_LAPIDARY_DATA', field]);
    expect(message).toContain(path.join(folder, 'config.json'));
  });

  it.each([
    ['vocab_size', 10, 'model.embed_tokens.weight'],
    ['intermediate_size', 2 ** 22, 'model.layers.0.mlp.up_proj.weight'],
    ['num_hidden_layers', 4096, 'model.layers.4095.mlp.up_proj.weight'],
    ['num_hidden_layers', 1, 'model.layers.1.input_layernorm.weight'],
    ['tie_word_embeddings', true, 'lm_head.weight'],
  ])('%s: %j does not fit the tensors', (field, value, tensor) => {
    const folder = fresh();
    writeFolder(folder, { ...llamaConfig(untied), [field]: value }, rawFile(untied, 'F32'));
    expect(fault(folder)).toMatchObject({ code: 'ERR_LAPIDARY_DATA', argument: tensor });
  });

  it('newer files say the angles in rope_parameters', () => {
    const folder = fresh();
    const { rope_theta, ...config } = llamaConfig(untied);
    const given = { ...config, rope_parameters: { rope_type: 'default', rope_theta } };
    writeFolder(folder, given, rawFile(untied, 'F32'));
    expect(loadPolicy(folder).config).toEqual(untied.config);
  });

  it('no JSON, no file, no configuration, several files', () => {
    const folder = fresh();
    writeFolder(folder, llamaConfig(untied), rawFile(untied, 'F32'));
    writeFileSync(path.join(folder, 'config.json'), '{"hidden_size": 8');
    expect(fault(folder).message).toMatch(/config\.json: the configuration is not JSON/);
    unlinkSync(path.join(folder, 'config.json'));
    expect(fault(folder)).toMatchObject({ code: 'ERR_LAPIDARY_DATA' });
    unlinkSync(path.join(folder, 'model.safetensors'));
    expect(fault(folder)).toMatchObject({ code: 'ERR_LAPIDARY_IO' });
    writeFileSync(path.join(folder, 'model.safetensors.index.json'), '{}');
    expect(fault(folder).message).toMatch(/in several files/);
  });
});

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

const moved = ({ data_offsets: [begin, end] }: Entry, by: number) => ({
  data_offsets: [begin + by, end + by],
});

describe('a damaged model.safetensors', () => {
  // What replaces fields of one entry, and whether that entry is the one named.
  const damages: [string, (entry: Entry) => Record<string, unknown>, boolean][] = [
    ['overlapping offsets', (entry) => moved(entry, -4), false],
    ['a gap', (entry) => moved(entry, 4), false],
    ['offsets past the end', (entry) => moved(entry, 1e6), true],
    ['reversed offsets', (entry) => ({ data_offsets: entry.data_offsets.toReversed() }), true],
    ['negative offsets', (entry) => moved(entry, -1e6), true],
    ['fractional offsets', (entry) => moved(entry, 0.5), true],
    ['a type of integers', () => ({ dtype: 'I32' }), true],
    ['a type of another size', () => ({ dtype: 'F64' }), true],
    ['an unknown type', () => ({ dtype: 'F7' }), true],
    ['a type that is no text', () => ({ dtype: 7 }), true],
    ['another shape', () => ({ shape: [4, 16] }), true],
    ['a huge shape', () => ({ shape: [2 ** 52, 2 ** 52] }), true],
    ['a negative shape', () => ({ shape: [-8, -8] }), true],
    ['no shape', () => ({ shape: null }), true],
  ];

  it.each(damages)('%s: the file and the tensor are named', (_name, damage, own) => {
    const folder = fresh();
    const file = rawFile(untied, 'F32');
    const entry = file.header[QUERY] as Entry;
    file.header[QUERY] = { ...entry, ...damage(entry) };
    writeFolder(folder, llamaConfig(untied), file);
    const { code, argument, message } = fault(folder);
    expect(code, message).toBe('ERR_LAPIDARY_DATA');
    expect(message).toContain(path.join(folder, 'model.safetensors'));
    // A tensor that overlaps may be found from either side.
    if (own) expect(argument).toBe(QUERY);
    else expect(argument).toMatch(/^model\.layers\.1\.|^model\.norm/);
  });

  it('a tensor too few or too many', () => {
    const folder = fresh();
    const { header, data } = rawFile(untied, 'F32');
    const { [QUERY]: entry, ...rest } = header;
    writeFolder(folder, llamaConfig(untied), { header: { ...rest, [`${QUERY}.old`]: entry }, data });
    expect(fault(folder)).toMatchObject({ code: 'ERR_LAPIDARY_DATA', argument: `${QUERY}.old` });
    const none = { dtype: 'F32', shape: [0], data_offsets: [0, 0] };
    writeFolder(folder, llamaConfig(untied), { header: { ...header, 'model.layers.0.bias': none }, data });
    expect(fault(folder)).toMatchObject({ code: 'ERR_LAPIDARY_DATA', argument: 'model.layers.0.bias' });
  });

  it('cut off anywhere, or with bytes behind its end', () => {
    const folder = fresh();
    writeFolder(folder, llamaConfig(untied), rawFile(untied, 'F32'));
    const place = path.join(folder, 'model.safetensors');
    const whole = readFileSync(place);
    for (let length = 0; length < whole.length; length += 97) {
      writeFileSync(place, whole.subarray(0, length));
      expect(fault(folder), `${length} bytes`).toMatchObject({ code: 'ERR_LAPIDARY_DATA' });
    }
    writeFileSync(place, Buffer.concat([whole, Buffer.alloc(4)]));
    expect(fault(folder)).toMatchObject({ code: 'ERR_LAPIDARY_DATA' });
  });

  it('a header too long, no JSON, or of the wrong kind', () => {
    const folder = fresh();
    const file = rawFile(untied, 'F32');
    writeFolder(folder, llamaConfig(untied), file);
    const place = path.join(folder, 'model.safetensors');
    for (const length of [2n ** 63n, 2n ** 64n - 1n, 100_000_001n, BigInt(rawBytes(file).length)]) {
      const bytes = rawBytes(file);
      bytes.writeBigUInt64LE(length);
      writeFileSync(place, bytes);
      expect(fault(folder).message).toMatch(/its header has \d+ bytes/);
    }
    const length = Buffer.alloc(8);
    for (const text of ['', '[]', 'null', '{"a":', '\u0000', '{"__metadata__": {"format": 3}}']) {
      length.writeBigUInt64LE(BigInt(text.length));
      writeFileSync(place, Buffer.concat([length, Buffer.from(text)]));
      expect(fault(folder), text).toMatchObject({ code: 'ERR_LAPIDARY_DATA' });
    }
  });

  it('an own configuration that no policy can have', () => {
    const place = fresh();
    const file = rawFile(untied, 'F32');
    const bad = [{ ...CONFIG, heads: 3 }, { ...CONFIG, widht: 8 }, { ...CONFIG, maxContext: 'x' }, 3, null];
    for (const config of [...bad.map((value) => JSON.stringify(value)), '{']) {
      file.header.__metadata__ = { lapidary_config: config };
      writeFileSync(place, rawBytes(file));
      const { code, message } = fault(place);
      expect([code, message.includes(place)], message).toEqual(['ERR_LAPIDARY_DATA', true]);
    }
    file.header.__metadata__ = { lapidary_config: JSON.stringify(CONFIG) };
    writeFileSync(place, rawBytes(file));
    // The caller's own mistake stays the caller's.
    expect(() => loadPolicy(place, { threads: -1 })).toThrow(/threads/);
    expect(weights(loadPolicy(place))).toEqual(weights(untied));
  });
});

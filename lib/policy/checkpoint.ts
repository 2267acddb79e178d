import { readFileSync } from 'node:fs';
import { writeFileAtomic } from '../data/write-atomic.ts';
import { LapidaryError } from '../errors.ts';
import { Policy, type PolicyConfig, type PolicyOptions } from './policy.ts';

/**
 * Weights as a safetensors file with Hugging Face Llama names: an 8-byte little-endian header length, a JSON header
 * {name: {dtype, shape, data_offsets}}, then the data. The policy's sizes travel in `__metadata__`.
 */
interface TensorEntry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

export async function savePolicy(policy: Policy, path: string): Promise<void> {
  const header: Record<string, unknown> = {
    __metadata__: { lapidary_config: JSON.stringify(policy.config) },
  };
  const chunks: Uint8Array[] = [];
  let offset = 0;
  for (const { name, shape } of policy.parameters()) {
    const data = policy.read('parameters', name);
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
    chunks.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  // The format asks for data aligned to 8 bytes: the header is padded with spaces.
  const text = JSON.stringify(header);
  const bytes = Buffer.from(text.padEnd(Math.ceil(Buffer.byteLength(text) / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  await writeFileAtomic(path, Buffer.concat([length, bytes, ...chunks]));
}

export function loadPolicy(path: string, options: PolicyOptions = {}): Policy {
  const file = readFileSync(path);
  const header = readHeader(file, path);
  const config = header.__metadata__?.lapidary_config;
  if (config === undefined) throw broken(path, 'no lapidary_config in __metadata__');
  const policy = new Policy(JSON.parse(config) as PolicyConfig, options);
  const base = 8 + Number(file.readBigUInt64LE(0));
  for (const { name, shape } of policy.parameters()) {
    const entry = header[name] as TensorEntry | undefined;
    if (entry === undefined) throw broken(path, `tensor ${name} is missing`);
    if (entry.dtype !== 'F32' || entry.shape.join() !== shape.join()) {
      throw broken(path, `tensor ${name} is ${entry.dtype} [${entry.shape}], expected F32 [${shape}]`);
    }
    const [start, end] = entry.data_offsets;
    if (base + end > file.length) throw broken(path, `tensor ${name} lies past the end of the file`);
    // A copy: the file's bytes need not be aligned to four.
    const data = new Uint8Array(file.subarray(base + start, base + end));
    policy.write('parameters', name, new Float32Array(data.buffer, 0, data.byteLength / 4));
  }
  return policy;
}

type Header = Record<string, TensorEntry | undefined> & { __metadata__?: { lapidary_config?: string } };

function readHeader(file: Buffer, path: string): Header {
  if (file.length < 8) throw broken(path, 'shorter than its 8-byte length');
  const length = file.readBigUInt64LE(0);
  if (length > BigInt(file.length - 8)) throw broken(path, 'its header is cut off');
  try {
    return JSON.parse(file.toString('utf8', 8, 8 + Number(length))) as Header;
  } catch (cause) {
    throw new LapidaryError('ERR_LAPIDARY_DATA', `${path}: the safetensors header is not JSON`, { cause });
  }
}

function broken(path: string, problem: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_DATA', `${path}: not a usable safetensors file: ${problem}`);
}

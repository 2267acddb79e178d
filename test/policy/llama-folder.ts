import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { toBf16 } from '../../lib/kernels/bf16.ts';
import { toF16 } from '../../lib/kernels/f16.ts';
import type { Policy } from '../../lib/policy/policy.ts';

/** A safetensors file as other software writes it: header and data apart, so that tests can break either. */
export interface RawFile {
  header: Record<string, unknown>;
  data: Uint8Array;
}

export type FileType = 'F32' | 'BF16' | 'F16';

const encoders: Record<FileType, (values: Float32Array) => Float32Array | Uint16Array> = {
  F32: (values) => values,
  BF16: (values) => Uint16Array.from(values, toBf16),
  F16: (values) => Uint16Array.from(values, toF16),
};

/** The policy's tensors in alphabetical order, as safetensors' own writer sorts them. */
export function rawFile(policy: Policy, dtype: FileType): RawFile {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  const chunks: Buffer[] = [];
  let offset = 0;
  for (const { name, shape } of policy.parameters().sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const values = encoders[dtype](policy.read('parameters', name));
    chunks.push(Buffer.from(values.buffer));
    header[name] = { dtype, shape, data_offsets: [offset, offset + values.byteLength] };
    offset += values.byteLength;
  }
  return { header, data: Buffer.concat(chunks) };
}

export function rawBytes({ header, data }: RawFile): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, data]);
}

/** What transformers writes for a LlamaForCausalLM of these sizes, by hand. */
export function llamaConfig(policy: Policy): Record<string, unknown> {
  const { config } = policy;
  return {
    architectures: ['LlamaForCausalLM'],
    ...{
      attention_bias: false,
      attention_dropout: 0.0,
      bos_token_id: 1,
      eos_token_id: 2,
      hidden_act: 'silu',
    },
    ...{ hidden_size: config.width, initializer_range: 0.02, intermediate_size: config.mlpWidth },
    ...{ max_position_embeddings: config.maxContext, mlp_bias: false, model_type: 'llama' },
    ...{ num_attention_heads: config.heads, num_hidden_layers: config.layers },
    ...{ num_key_value_heads: config.heads, pretraining_tp: 1, rms_norm_eps: config.normEpsilon },
    ...{ rope_scaling: null, rope_theta: config.ropeTheta, tie_word_embeddings: config.tiedHead },
    ...{ torch_dtype: 'float32', transformers_version: '4.40.0', use_cache: true, vocab_size: config.vocab },
  };
}

export function writeFolder(folder: string, config: Record<string, unknown>, file: RawFile): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
  writeFileSync(path.join(folder, 'model.safetensors'), rawBytes(file));
}

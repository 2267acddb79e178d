import { LapidaryError } from '../errors.ts';
import type { PolicyConfig } from './policy.ts';

/**
 * The config.json that Hugging Face's transformers writes beside a LlamaForCausalLM, and what of it the built-in
 * policy can be. Whatever would change the model and is not here is refused, not ignored.
 */
type Fields = Record<string, unknown>;

/** What a field must be where it is present. Another value makes another model. */
const ONLY: Record<string, readonly unknown[]> = {
  model_type: ['llama'],
  hidden_act: ['silu', 'swish'],
  attention_bias: [false],
  mlp_bias: [false],
  pretraining_tp: [1],
  partial_rotary_factor: [1],
  quantization_config: [],
};

const ROPE_KEYS = ['rope_type', 'type', 'rope_theta', 'partial_rotary_factor'];

/** @throws LapidaryError ERR_LAPIDARY_DATA with the file and the field. */
export function fromLlamaConfig(path: string, config: unknown): Required<PolicyConfig> {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw configError(path, 'the file', 'a JSON object', config);
  }
  const fields = config as Fields;
  for (const [field, allowed] of Object.entries(ONLY)) {
    const value = fields[field] ?? undefined;
    if (value === undefined || allowed.includes(value)) continue;
    throw configError(path, field, allowed.length > 0 ? allowed.join(' or ') : 'none', value);
  }
  const count = (field: string, fallback?: number) => integer(path, field, fields[field] ?? fallback);
  const width = count('hidden_size');
  const heads = count('num_attention_heads');
  const equal = (field: string, expected: number, why: string) => {
    const value = fields[field] ?? expected;
    if (value !== expected) throw configError(path, field, `${expected}, ${why}`, value);
  };
  equal('num_key_value_heads', heads, 'the number of attention heads (grouped queries are not supported)');
  equal('head_dim', width / heads, 'hidden_size / num_attention_heads');
  return {
    vocab: count('vocab_size'),
    width,
    layers: count('num_hidden_layers'),
    heads,
    mlpWidth: count('intermediate_size'),
    maxContext: count('max_position_embeddings', 2048),
    ropeTheta: ropeTheta(path, fields),
    normEpsilon: positive(path, 'rms_norm_eps', fields.rms_norm_eps ?? 1e-6),
    tiedHead: boolean(path, 'tie_word_embeddings', fields.tie_word_embeddings ?? false),
  };
}

/** Older files say rope_theta and rope_scaling, newer ones rope_parameters. */
function ropeTheta(path: string, fields: Fields): number {
  let theta = fields.rope_theta;
  for (const field of ['rope_scaling', 'rope_parameters']) {
    const rope = fields[field] ?? undefined;
    if (rope === undefined) continue;
    if (typeof rope !== 'object' || Array.isArray(rope)) throw configError(path, field, 'an object', rope);
    const given = rope as Fields;
    const type = given.rope_type ?? given.type ?? 'default';
    const known = Object.keys(given).every((key) => ROPE_KEYS.includes(key));
    if (type !== 'default' || !known || (given.partial_rotary_factor ?? 1) !== 1) {
      throw configError(path, field, 'none (scaled rotary embeddings are not supported)', rope);
    }
    theta = given.rope_theta ?? theta;
  }
  return positive(path, 'rope_theta', theta ?? 10_000);
}

/** The config.json of a policy, which transformers reads as a LlamaForCausalLM in float32. */
export function toLlamaConfig(config: Required<PolicyConfig>): Fields {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: config.vocab,
    hidden_size: config.width,
    intermediate_size: config.mlpWidth,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.heads,
    head_dim: config.width / config.heads,
    max_position_embeddings: config.maxContext,
    hidden_act: 'silu',
    attention_bias: false,
    mlp_bias: false,
    rms_norm_eps: config.normEpsilon,
    rope_theta: config.ropeTheta,
    rope_scaling: null,
    tie_word_embeddings: config.tiedHead,
    torch_dtype: 'float32',
    // What a Llama's defaults say of ids 1 and 2 need not hold for this vocabulary.
    ...{ bos_token_id: null, eos_token_id: null, pad_token_id: null },
  };
}

function integer(path: string, field: string, value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
  throw configError(path, field, 'a whole number above 0', value);
}

function positive(path: string, field: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  throw configError(path, field, 'a number above 0', value);
}

function boolean(path: string, field: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw configError(path, field, 'true or false', value);
}

function configError(path: string, field: string, expected: string, value: unknown): LapidaryError {
  const given = JSON.stringify(value) ?? 'nothing';
  return new LapidaryError('ERR_LAPIDARY_DATA', `${path}: ${field}: expected ${expected}, got ${given}`, {
    argument: field,
  });
}

import type { PolicyConfig } from '../../lib/policy/policy.ts';

/** Parameters in float64 by their Hugging Face Llama names, row-major. */
export type Weights = Map<string, Float64Array>;

type Rows = number[][];

/** rows [T, in] times weight [out, in], transposed: [T, out]. */
function project(rows: Rows, weight: Float64Array): Rows {
  const input = rows[0]!.length;
  const output = weight.length / input;
  return rows.map((row) =>
    Array.from({ length: output }, (_, o) => {
      let sum = 0;
      for (let i = 0; i < input; i++) sum += row[i]! * weight[o * input + i]!;
      return sum;
    }),
  );
}

function rmsNorm(rows: Rows, gain: Float64Array, epsilon: number): Rows {
  return rows.map((row) => {
    const mean = row.reduce((sum, x) => sum + x * x, 0) / row.length;
    return row.map((x, i) => (x / Math.sqrt(mean + epsilon)) * gain[i]!);
  });
}

/** Rotary embedding of one head at one position: entry i is paired with entry i + size / 2. */
function rotate(head: number[], position: number, theta: number): number[] {
  const half = head.length / 2;
  return head.map((x, i) => {
    const angle = position * theta ** (-(2 * (i % half)) / head.length);
    const partner = i < half ? -head[i + half]! : head[i - half]!;
    return x * Math.cos(angle) + partner * Math.sin(angle);
  });
}

function attention(q: Rows, k: Rows, v: Rows, heads: number, theta: number): Rows {
  const size = q[0]!.length / heads;
  const out = q.map((row) => new Array<number>(row.length).fill(0));
  for (let h = 0; h < heads; h++) {
    const slice = (row: number[]) => row.slice(h * size, (h + 1) * size);
    const queries = q.map((row, t) => rotate(slice(row), t, theta));
    const keys = k.map((row, t) => rotate(slice(row), t, theta));
    queries.forEach((query, t) => {
      const scores = keys
        .slice(0, t + 1)
        .map((key) => key.reduce((s, x, i) => s + x * query[i]!, 0) / Math.sqrt(size));
      const top = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - top));
      const total = weights.reduce((a, b) => a + b, 0);
      weights.forEach((weight, j) => {
        for (let i = 0; i < size; i++) out[t]![h * size + i]! += (weight / total) * v[j]![h * size + i]!;
      });
    });
  }
  return out;
}

const add = (a: Rows, b: Rows): Rows => a.map((row, t) => row.map((x, i) => x + b[t]![i]!));

/** log pi of each token after the first of one sequence; the first gets 0. Written from the architecture alone. */
export function transformerLogp(
  config: Required<PolicyConfig>,
  weights: Weights,
  ids: readonly number[],
): number[] {
  const { width, heads, ropeTheta, normEpsilon, tiedHead } = config;
  const get = (name: string) => weights.get(`${name}.weight`)!;
  const embedding = get('model.embed_tokens');
  let x: Rows = ids.map((id) => [...embedding.slice(id * width, (id + 1) * width)]);
  for (let layer = 0; layer < config.layers; layer++) {
    const of = (name: string) => get(`model.layers.${layer}.${name}`);
    const n = rmsNorm(x, of('input_layernorm'), normEpsilon);
    const [q, k, v] = ['q', 'k', 'v'].map((name) => project(n, of(`self_attn.${name}_proj`))) as [
      Rows,
      Rows,
      Rows,
    ];
    x = add(x, project(attention(q, k, v, heads, ropeTheta), of('self_attn.o_proj')));
    const m = rmsNorm(x, of('post_attention_layernorm'), normEpsilon);
    const up = project(m, of('mlp.up_proj'));
    const gate = project(m, of('mlp.gate_proj'));
    const mixed = gate.map((row, t) => row.map((g, i) => (g / (1 + Math.exp(-g))) * up[t]![i]!));
    x = add(x, project(mixed, of('mlp.down_proj')));
  }
  const logits = project(rmsNorm(x, get('model.norm'), normEpsilon), tiedHead ? embedding : get('lm_head'));
  return ids.map((id, t) => {
    if (t === 0) return 0;
    const row = logits[t - 1]!;
    const top = Math.max(...row);
    return row[id]! - top - Math.log(row.reduce((sum, z) => sum + Math.exp(z - top), 0));
  });
}

/**
 * Divergences of two rows in float64, from the definitions, given the scaled logits z of each side. Terms are summed
 * as p (e^u - 1 - u), whose sum is -sum p u since both distributions add up to 1: the plain sum would lose small
 * divergences to cancellation even in float64.
 */
export type Kind = 'forward-kl' | 'reverse-kl' | 'jsd';

/** z of a row: softcap tanh(x / softcap) / temperature; -inf stays. */
export function scaled(logits: Float64Array, temperature = 1, softcap = 0): Float64Array {
  return logits.map((x) => {
    const capped = softcap === 0 || x === -Infinity ? x : softcap * Math.tanh(x / softcap);
    return capped / temperature;
  });
}

function logSoftmax(z: Float64Array): Float64Array {
  const top = z.reduce((a, b) => Math.max(a, b), -Infinity);
  const lse = top + Math.log(z.reduce((sum, x) => sum + Math.exp(x - top), 0));
  return z.map((x) => x - lse);
}

/** e^u - 1 - u, by its series where u is small. */
function excess(u: number): number {
  if (Math.abs(u) > 0.1) return Math.expm1(u) - u;
  let term = (u * u) / 2;
  let sum = 0;
  for (let n = 3; n < 16; n++) {
    sum += term;
    term *= u / n;
  }
  return sum;
}

/** KL(p||q) of log-probabilities. */
function kl(p: Float64Array, q: Float64Array): number {
  let sum = 0;
  for (let v = 0; v < p.length; v++) {
    if (p[v] === -Infinity) sum += Math.exp(q[v]!);
    else if (q[v] === -Infinity) return Infinity;
    else if (q[v]! - p[v]! < 300) sum += Math.exp(p[v]!) * excess(q[v]! - p[v]!);
    else sum += Math.exp(q[v]!) - Math.exp(p[v]!) * (1 + q[v]! - p[v]!);
  }
  return sum;
}

/** log m, m = beta t + (1 - beta) s. */
function logMixture(s: Float64Array, t: Float64Array, beta: number): Float64Array {
  return s.map((ls, v) => {
    const lt = t[v]!;
    if (ls === -Infinity && lt === -Infinity) return -Infinity;
    return lt >= ls
      ? lt + Math.log1p((1 - beta) * Math.expm1(ls - lt))
      : ls + Math.log1p(beta * Math.expm1(lt - ls));
  });
}

export function oracleDivergence(
  kind: Kind,
  student: Float64Array,
  teacher: Float64Array,
  beta = 0.5,
): number {
  const s = logSoftmax(student);
  const t = logSoftmax(teacher);
  if (kind === 'forward-kl') return kl(t, s);
  if (kind === 'reverse-kl') return kl(s, t);
  const m = logMixture(s, t, beta);
  return beta * kl(t, m) + (1 - beta) * kl(s, m);
}

/** d divergence / d z of the student. */
export function oracleDivergenceGradient(
  kind: Kind,
  student: Float64Array,
  teacher: Float64Array,
  beta = 0.5,
): Float64Array {
  const s = logSoftmax(student);
  const t = logSoftmax(teacher);
  if (kind === 'forward-kl') {
    return s.map((ls, v) => {
      const d = ls - t[v]!;
      return Math.abs(d) < 1 ? Math.exp(t[v]!) * Math.expm1(d) : Math.exp(ls) - Math.exp(t[v]!);
    });
  }
  const against = kind === 'reverse-kl' ? t : logMixture(s, t, beta);
  const share = kind === 'reverse-kl' ? 1 : 1 - beta;
  const centre = kl(s, against);
  return s.map((ls, v) => (ls === -Infinity ? 0 : share * Math.exp(ls) * (ls - against[v]! - centre)));
}

/**
 * Log-probs of one target per row in float64, from the definition: z = logits / temperature,
 * logp = log(e^{z_target} / sum_v e^{z_v}). Written for plainness, not speed.
 */
export interface RowLogprob {
  logp: number;
  lse: number;
  entropy: number;
}

/** sum over v other than the target of e^{z_v - z_target}: (1 - p) / p, exact to f64 even where p rounds to 1. */
function oddsAgainst(logits: Float64Array, target: number, temperature: number): number {
  let odds = 0;
  for (let v = 0; v < logits.length; v++) {
    if (v !== target) odds += Math.exp((logits[v]! - logits[target]!) / temperature);
  }
  return odds;
}

function logSumExp(logits: Float64Array, temperature: number): number {
  let top = Number.NEGATIVE_INFINITY;
  for (const logit of logits) top = Math.max(top, logit / temperature);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit / temperature - top);
  return top + Math.log(sum);
}

export function oracleRow(logits: Float64Array, target: number, temperature = 1): RowLogprob {
  const lse = logSumExp(logits, temperature);
  const odds = oddsAgainst(logits, target, temperature);
  // The odds overflow where the target is hopeless; plain differences are good enough there.
  const logp = Number.isFinite(odds) ? -Math.log1p(odds) : logits[target]! / temperature - lse;
  return {
    logp,
    lse,
    entropy: entropyFrom(logits, Number.isFinite(odds) ? target : -1, temperature, lse, logp),
  };
}

/**
 * -sum_v p_v log p_v with log p_v = (z_v - z_pivot) + logp_pivot; the pivot is the target, whose logp is known
 * better than lse where p is close to 1. A pivot of -1 takes z_v - lse.
 */
function entropyFrom(
  logits: Float64Array,
  pivot: number,
  temperature: number,
  lse: number,
  pivotLogp: number,
): number {
  let entropy = 0;
  for (const logit of logits) {
    const logp = pivot < 0 ? logit / temperature - lse : (logit - logits[pivot]!) / temperature + pivotLogp;
    if (logp > -700) entropy -= Math.exp(logp) * logp; // below, p log p is 0 in the limit
  }
  return entropy;
}

/** dlogp * (1[v = target] - p_v) / temperature for every v; the target's entry is 1 - p without cancellation. */
export function oracleRowGradient(
  logits: Float64Array,
  target: number,
  temperature: number,
  dlogp: number,
): Float64Array {
  const lse = logSumExp(logits, temperature);
  const gradient = logits.map((logit) => (-dlogp * Math.exp(logit / temperature - lse)) / temperature);
  const odds = oddsAgainst(logits, target, temperature);
  const rest = Number.isFinite(odds) ? odds / (1 + odds) : 1;
  gradient[target] = (dlogp * rest) / temperature;
  return gradient;
}

/** How logits become z: softcap x tanh(logit / softcap) where a softcap is given, over the temperature. */
export interface Transform {
  temperature?: number;
  softcap?: number;
}

function cappedRow(logits: Float64Array, softcap: number | undefined): Float64Array {
  if (softcap === undefined) return logits;
  return logits.map((x) => (x === -Infinity ? x : softcap * Math.tanh(x / softcap)));
}

export function oracleTransformedRow(logits: Float64Array, target: number, transform: Transform): RowLogprob {
  return oracleRow(cappedRow(logits, transform.softcap), target, transform.temperature ?? 1);
}

/** d (dlogp logp + dentropy entropy) / d logits, by the chain rule through the entropy, p, the temperature and the cap. */
export function oracleTransformedGradient(
  logits: Float64Array,
  target: number,
  { temperature = 1, softcap }: Transform,
  dlogp: number,
  dentropy = 0,
): Float64Array {
  const capped = cappedRow(logits, softcap);
  const { lse, entropy } = oracleRow(capped, target, temperature);
  return oracleRowGradient(capped, target, temperature, dlogp).map((ofLogp, v) => {
    const logp = capped[v]! / temperature - lse;
    const ofEntropy = logp > -700 ? (-dentropy * Math.exp(logp) * (logp + entropy)) / temperature : 0;
    const slope = softcap === undefined ? 1 : 1 / Math.cosh(logits[v]! / softcap) ** 2;
    return (ofLogp + ofEntropy) * slope;
  });
}

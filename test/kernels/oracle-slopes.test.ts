import { describe, expect, it } from 'vitest';
import * as gates from '../oracle/policy-loss-gates.ts';
import { type Estimator, klValue } from '../oracle/policy-loss-kl.ts';
import * as losses from '../oracle/policy-loss-sequences.ts';
import { seededRandom } from '../random.ts';
import { normal } from './batches.ts';

const SEED = 3005;
const STEP = 1e-5;

function slope(f: (x: number) => number, x: number): number {
  return (8 * (f(x + STEP) - f(x - STEP)) - (f(x + 2 * STEP) - f(x - 2 * STEP))) / (12 * STEP);
}

/** Published gradients by l, where log rho = l - o: what papers and trainers derive by hand. */
const GATES: [string, gates.Term, (rho: number, a: number) => number][] = [
  ['unit', gates.unit, (_, a) => -a],
  ['ratio', gates.ratio, (rho, a) => -a * rho],
  [
    'clip surrogate',
    gates.clipSurrogate(0.2, 0.3),
    (rho, a) => ((a > 0 && rho > 1.3) || (a < 0 && rho < 0.8) ? 0 : -a * rho),
  ],
  [
    'dual clip',
    gates.clipSurrogate(0.2, 0.2, 1.5),
    (rho, a) => ((a > 0 && rho > 1.2) || (a < 0 && (rho < 0.8 || rho > 1.5)) ? 0 : -a * rho),
  ],
  [
    'two-sided clip',
    gates.clipSurrogate(0.2, 0.2, Infinity, 1.6),
    (rho, a) => ((a > 0 && rho > 1.2) || (a < 0 && (rho < 0.8 || rho > 1.6)) ? 0 : -a * rho),
  ],
  [
    'clip weight',
    gates.clipWeight({ positive: [0.8, 1.2], negative: null }),
    (rho, a) => -a * (a > 0 ? Math.min(Math.max(rho, 0.8), 1.2) : 1),
  ],
  [
    'sapo',
    gates.sapo(1, 1.05),
    (rho, a) => {
      const s = losses.sigmoid((a > 0 ? 1 : 1.05) * (rho - 1));
      return -a * 4 * s * (1 - s) * rho;
    },
  ],
  [
    'gamma',
    gates.gamma([2, 3], [3, 2]),
    (rho, a) => (a > 0 ? -a * Math.exp(3 - 3 * rho) * rho ** 2 : -a * Math.exp(2 - 2 * rho) * rho ** 3),
  ],
  [
    'nft',
    gates.nft(0.3, 0.2, 0.7),
    (rho, a) => (a > 0 ? -0.7 : (0.7 * ((0.3 * rho) / 0.7)) / Math.max((1 - 0.3 * rho) / 0.7, 0.2)),
  ],
];

describe('oracle slopes', () => {
  it.each(GATES)(`of the gate %s are the published ones (seed ${SEED})`, (name, gate, published) => {
    const random = seededRandom(SEED);
    for (let round = 0; round < 200; round++) {
      const [l, o, a] = [-2 * random.next(), -2 * random.next(), normal(random)];
      const at = (x: number) => ({ logp: x, logRatio: x - o });
      const rho = Math.exp(l - o);
      const edges = [0.2, 0.8, 1.2, 1.3, 1.5, 1.6];
      if (edges.some((edge) => Math.abs(rho - edge) < 1e-3)) continue;
      const measured = slope((x) => gate(at(x), at(l), a), l);
      expect(Math.abs(measured - published(rho, a)), `${name}, rho ${rho}, A ${a}`).toBeLessThan(1e-7);
    }
  });

  const ESTIMATORS: [Estimator, (delta: number) => number][] = [
    ['k1', () => 1],
    ['k2', (delta) => delta],
    ['k3', (delta) => 1 - Math.exp(-delta)],
    ['abs', (delta) => Math.sign(delta)],
    ['square', (delta) => 2 * delta],
  ];
  it.each(ESTIMATORS)(`of the estimator %s (seed ${SEED})`, (kind, published) => {
    const random = seededRandom(SEED);
    for (let round = 0; round < 50; round++) {
      const delta = normal(random);
      const measured = slope((x) => klValue(kind, x), delta);
      expect(Math.abs(measured - published(delta)), `delta ${delta}`).toBeLessThan(1e-8);
    }
  });

  const { sigmoid } = losses;
  const SEQUENCES: [string, (s: number) => number, (s: number) => number][] = [
    ['square', (s) => losses.square(s, 0.3), (s) => 0.3 * s],
    ['logistic pair', (d) => losses.logisticPair(d, 0.5, 0, 0), (d) => -0.5 * sigmoid(-0.5 * d)],
    ['smoothed pair', (d) => losses.logisticPair(d, 0.5, 0.2, 0), (d) => -0.5 * (sigmoid(-0.5 * d) - 0.2)],
    ['margin pair', (d) => losses.logisticPair(d, 2, 0, 0.5), (d) => -2 * sigmoid(0.5 - 2 * d)],
    ['square pair', (d) => losses.squarePair(d, 0.4), (d) => 2 * (d - 1 / 0.8)],
    ['hinge pair', (d) => losses.hingePair(d, 0.5), (d) => (0.5 * d < 1 ? -0.5 : 0)],
    [
      'kto, desirable',
      (s) => losses.kto(s, 0.4, 0.1, true, 1.5),
      (s) => -1.5 * 0.4 * sigmoid(0.4 * (s - 0.1)) * sigmoid(-0.4 * (s - 0.1)),
    ],
    [
      'kto, undesirable',
      (s) => losses.kto(s, 0.4, 0.1, false, 1.5),
      (s) => 1.5 * 0.4 * sigmoid(0.4 * (s - 0.1)) * sigmoid(-0.4 * (s - 0.1)),
    ],
    ['npo', (s) => losses.npo(s, 0.3), (s) => 2 * sigmoid(0.3 * s)],
    ['sppo-hard', (s) => losses.sppoHard(s, 0.5, true), (s) => 2 * (s - 1)],
  ];
  it.each(SEQUENCES)(`of the sequence term %s (seed ${SEED})`, (_, loss, published) => {
    const random = seededRandom(SEED);
    for (let round = 0; round < 50; round++) {
      const s = 3 * normal(random);
      expect(Math.abs(slope(loss, s) - published(s)), `at ${s}`).toBeLessThan(1e-7);
    }
  });
});

import { type Objective, objectives } from '../../lib/kernels/objectives.ts';
import type { Example } from '../../lib/train/examples.ts';

/**
 * What each preset must be trained with, written down a second time from the papers and the trainers that ship them
 * (docs/train.md), in numbers for groups of ten of which three are right.
 */
type Advantage = 'mean' | 'mean-std' | 'rloo' | 'asym' | readonly [right: number, wrong: number];
type Scale = 'token-mean' | 'mean of means' | 'mean of sums' | 'fixed length' | 'pairs';

export interface Expected {
  objective: (z0: number | undefined) => Objective;
  advantage: Advantage;
  scale: Scale;
  /** Responses with advantage 0 are not there. */
  onlySigned?: boolean;
}

const ref = { anchor: 'ref' } as const;
const of = (objective: Objective, advantage: Advantage, scale: Scale): Expected => ({
  objective: () => objective,
  advantage,
  scale,
});
const onlySigned = (expected: Expected): Expected => ({ ...expected, onlySigned: true });

export const EXPECTED: Record<keyof typeof objectives, Expected> = {
  bcpgNsa: of(objectives.bcpgNsa(), 'mean', 'mean of means'),
  bcpg: of(objectives.bcpg(), 'mean', 'mean of means'),
  pmd: of(objectives.pmd(ref), 'mean', 'mean of means'),
  reinforce: of(objectives.reinforce(), 'mean', 'mean of means'),
  rft: onlySigned(of(objectives.rft(), [1, 0], 'mean of means')),
  asymRe: of(objectives.asymRe(), 'asym', 'mean of means'),
  psr: onlySigned(of(objectives.psr(), [1, 0], 'mean of means')),
  nsr: onlySigned(of(objectives.nsr(), [0, -1], 'mean of means')),
  wReinforce: of(objectives.wReinforce(), [0.1, -1], 'mean of means'),
  dro: of(objectives.dro(ref), 'mean', 'mean of means'),
  ppo: of(objectives.ppo(ref), 'mean-std', 'token-mean'),
  decoupledPpo: of(objectives.decoupledPpo(ref), 'mean-std', 'token-mean'),
  grpo: of(objectives.grpo(ref), 'mean-std', 'mean of means'),
  drGrpo: of(objectives.drGrpo(ref), 'mean', 'fixed length'),
  dapo: of(objectives.dapo(ref), 'mean-std', 'token-mean'),
  gspo: of(objectives.gspo(ref), 'mean-std', 'mean of means'),
  gspoToken: of(objectives.gspoToken(ref), 'mean-std', 'mean of means'),
  rloo: of(objectives.rloo(ref), 'rloo', 'mean of means'),
  gmpo: of(objectives.gmpo(ref), 'mean-std', 'mean of means'),
  sapo: of(objectives.sapo(ref), 'mean-std', 'mean of means'),
  sppo: of(objectives.sppo(ref), 'mean', 'token-mean'),
  rec: of(objectives.rec(), 'mean', 'token-mean'),
  nft: of(objectives.nft(ref), [1, -1], 'token-mean'),
  cispo: of(objectives.cispo(ref), 'mean-std', 'token-mean'),
  topr: of(objectives.topr(), 'mean', 'mean of sums'),
  vespo: of(objectives.vespo(ref), 'mean-std', 'token-mean'),
  dppoTv: of(objectives.dppoTv(ref), 'mean-std', 'token-mean'),
  dppoKl: of(objectives.dppoKl(ref), 'mean-std', 'token-mean'),
  dpo: of(objectives.dpo(), [1, -1], 'pairs'),
  cdpo: of(objectives.cdpo(), [1, -1], 'pairs'),
  ipo: of(objectives.ipo(), [1, -1], 'pairs'),
  hinge: of(objectives.hinge(), [1, -1], 'pairs'),
  simpo: of(objectives.simpo(), [1, -1], 'pairs'),
  kto: {
    ...of(objectives.kto(), [1, -1], 'mean of sums'),
    objective: (z0) => objectives.kto({ z0: z0! }),
  },
  npo: onlySigned(of(objectives.npo(), [0, -1], 'mean of sums')),
  sppoHard: of(objectives.sppoHard(), [1, -1], 'mean of sums'),
};

/** Of a group of ten with rewards 1, 1, 1, 0, ..., 0: mean 0.3, sample variance 10/9 x 0.3 x 0.7. */
export function expectedAdvantage(kind: Advantage, { right }: Example): number {
  const centred = (right ? 1 : 0) - 0.3;
  if (kind === 'mean') return centred;
  if (kind === 'mean-std') return centred / (Math.sqrt((10 / 9) * 0.3 * 0.7) + 1e-6);
  if (kind === 'rloo') return right ? 1 - 2 / 9 : 0 - 3 / 9;
  if (kind === 'asym') return centred + 0.1;
  return right ? kind[0] : kind[1];
}

export function expectedScale(kind: Scale, lengths: readonly number[], i: number): number {
  const responses = lengths.length;
  if (kind === 'token-mean') return 1 / lengths.reduce((a, b) => a + b, 0);
  if (kind === 'mean of means') return 1 / (responses * lengths[i]!);
  if (kind === 'mean of sums') return 1 / responses;
  if (kind === 'pairs') return 1 / (responses / 2);
  return 1 / (responses * Math.max(...lengths));
}

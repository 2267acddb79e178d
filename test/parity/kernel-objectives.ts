import { type Objective, objectives } from '../../lib/kernels/objectives.ts';
import type { PolicyCase } from './manifest.ts';
import type { Given } from './oracle-formulas.ts';

type Build = (given: Given) => Objective | null;

const clip: Build = ({ low, high, dual, delta, level, beta }) => {
  if (dual !== undefined || delta !== undefined || level === 'sequence' || beta) return null;
  return objectives.grpo({ clipLow: low, clipHigh: high });
};

/** Objectives of the library for the trainers' formulas, by the start of the source. */
const TRAINERS: Record<string, Record<string, Build>> = {
  TRL: { grpo: clip, dr_grpo: clip, dapo: clip },
  verl: { 'gpg, reinforce': () => objectives.reinforce() },
  OpenRLHF: { ppo: clip },
  OpenKimi: { opmd: ({ tau }) => objectives.bcpg({ tau, anchor: 'old' }) },
  'arXiv 2505.14403': { 'objective (BCPG)': ({ tau }) => objectives.bcpg({ tau }) },
};

/** Null where the library has no objective for the formula or its parameters. */
export function kernelObjective({
  source,
  formula,
  parameters,
}: Pick<PolicyCase, 'source' | 'formula' | 'parameters'>): Objective | null {
  const trainer = Object.entries(TRAINERS).find(([name]) => source.startsWith(name));
  return trainer?.[1][formula]?.(parameters as unknown as Given) ?? null;
}

import { createHash } from 'node:crypto';
import { LapidaryError } from '../errors.ts';
import type { StepLabel } from './judge.ts';
import type { PropagationRule } from './propagation.ts';

export interface CascadeOptions {
  /**
   * Labels by the cheap judge after propagation, rollout id → one per step (one judge's part of `labelsByJudge`, or
   * the consensus of several).
   */
  screen: ReadonlyMap<string, readonly StepLabel[]>;
  /** The rule that the dear judge's verdicts will be put through; 'local' for a judge of scope 'prefix'. */
  propagation: PropagationRule;
  /**
   * 'labels': unanimity gives the very labels of asking all. 'right': it gives the same right steps, and the screen's
   * abstentions are not asked about, so that some 'wrong' become 'abstain'; both leave weight 1. Default 'labels'.
   */
  keep?: 'labels' | 'right';
  /** Share of the responses, chosen by a hash of their id, that are asked about in full. Default 0.05. */
  auditShare?: number;
  seed?: number;
}

export interface CascadePlan {
  /** Rollout id → positions to ask about, in order; empty for none. */
  asked: Map<string, number[]>;
  /** Rollouts asked in full whatever the screen says: an unbiased sample for agreement and kappa. */
  audited: Set<string>;
  /** Steps asked about, and steps in all. */
  stepsAsked: number;
  steps: number;
}

/**
 * Which steps a dear judge has to be asked about once a cheap one has spoken. Under unanimity a step that the screen
 * calls wrong stays wrong, so only the others matter; with propagation the verdicts before such a step matter too,
 * because an error there makes it wrong. The dear judge is taken to say the same of a step whatever else it is asked.
 */
export function planCascade(options: CascadeOptions): CascadePlan {
  const { screen, propagation, keep = 'labels', auditShare = 0.05, seed = 0 } = options;
  if (!(auditShare >= 0 && auditShare <= 1)) {
    const problem = `planCascade: auditShare: got ${auditShare}; expected a number in [0, 1]`;
    throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: 'auditShare' });
  }
  const plan: CascadePlan = { asked: new Map(), audited: new Set(), stepsAsked: 0, steps: 0 };
  for (const [id, labels] of screen) {
    const open = labels.map((label) => label === 'right' || (keep === 'labels' && label === 'abstain'));
    const audited = rolloutUniform(seed, id) < auditShare;
    const asked = audited ? [...labels.keys()] : positions(open, propagation);
    if (audited) plan.audited.add(id);
    plan.asked.set(id, asked);
    plan.stepsAsked += asked.length;
    plan.steps += labels.length;
  }
  return plan;
}

/** The steps left open; with propagation everything up to the last of them. */
function positions(open: readonly boolean[], propagation: PropagationRule): number[] {
  const last = open.lastIndexOf(true);
  return [...open.keys()].filter((k) => k <= last && (propagation === 'propagate' || open[k]));
}

function rolloutUniform(seed: number, id: string): number {
  const digest = createHash('sha256').update(`cascade ${seed} ${id}`, 'utf8').digest();
  return digest.readUInt32LE(0) / 2 ** 32;
}

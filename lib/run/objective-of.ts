import { type Objective, objectives } from '../kernels/objectives.ts';
import type { Method } from './config.ts';

/** The objective a method names. Its constraint is anchored on the policy that training starts from. */
export function objectiveOf(method: Method): Objective {
  const tau = method.tau === undefined ? {} : { tau: method.tau };
  switch (method.objective) {
    case 'bcpgNsa':
      return objectives.bcpgNsa(tau);
    case 'bcpg':
      return objectives.bcpg(tau);
    case 'reinforce':
      return objectives.reinforce();
    case 'rft':
      return objectives.rft();
    case 'grpo':
      return objectives.grpo({
        ...(method.clip_low === undefined ? {} : { clipLow: method.clip_low }),
        ...(method.clip_high === undefined ? {} : { clipHigh: method.clip_high }),
        anchor: 'ref',
      });
  }
}

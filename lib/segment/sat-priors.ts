import { LapidaryError } from '../errors.ts';

/**
 * How likely a length (UTF-16 units) is before the model is asked. `target` is the most likely length; `spread` is in
 * characters, for lognormal in natural logarithms. The forms are wtpsplit's.
 */
export type LengthPrior =
  | { kind: 'uniform' }
  | { kind: 'gaussian'; target: number; spread: number }
  | { kind: 'lognormal'; target: number; spread: number }
  | { kind: 'clipped_polynomial'; target: number; spread: number };

/** log of the prior, up to a constant; -Infinity where it is 0. Lengths are at least 1. */
export function logPrior(prior: LengthPrior, length: number): number {
  switch (prior.kind) {
    case 'uniform':
      return 0;
    case 'gaussian':
      return -0.5 * ((length - prior.target) / prior.spread) ** 2;
    case 'lognormal': {
      // The mode of a log-normal is exp(mu - sigma^2), and is to be the target.
      const mu = Math.log(prior.target) + prior.spread ** 2;
      return -0.5 * ((Math.log(length) - mu) / prior.spread) ** 2 - Math.log(length);
    }
    case 'clipped_polynomial':
      return Math.log(Math.max(0, 1 - ((length - prior.target) / prior.spread) ** 2));
  }
}

const KINDS = ['uniform', 'gaussian', 'lognormal', 'clipped_polynomial'];

/** Throws ERR_LAPIDARY_ARGUMENT for a prior that cannot be used. */
export function checkPrior(prior: LengthPrior): void {
  if (!KINDS.includes(prior.kind)) {
    throw priorError('prior.kind', `${JSON.stringify(prior.kind)}: expected one of ${KINDS.join(', ')}`);
  }
  if (prior.kind === 'uniform') return;
  for (const name of ['target', 'spread'] as const) {
    const value = prior[name];
    if (!(value > 0 && Number.isFinite(value))) {
      throw priorError(`prior.${name}`, `${value}: expected a positive number`);
    }
  }
}

function priorError(argument: string, problem: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', `${argument}: ${problem}`, { argument });
}

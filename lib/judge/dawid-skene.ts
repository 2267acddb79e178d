import { LapidaryError } from '../errors.ts';
import type { StepLabel } from './judge.ts';

export interface DawidSkeneOptions {
  /** Most rounds of expectation and maximisation. Default 100. */
  iterations?: number;
  /** Stops where no posterior moves by more. Default 1e-7. */
  tolerance?: number;
}

export interface DawidSkene {
  /** Share of right steps. */
  prior: number;
  /** Per judge: chance of saying right of a right step, and wrong of a wrong one, where it votes. */
  judges: { sensitivity: number; specificity: number }[];
  /** Per step P(right | votes); null where no one voted. */
  posterior: (number | null)[];
  /** Rounds done. */
  iterations: number;
  /** Log-likelihood of the votes, with that of the prior on the rates, after each round; it never falls. */
  logLikelihood: number[];
}

/**
 * The votes a judge is taken to have cast beforehand on each side of its table, so that a rate is never 0 or 1: one
 * correct and one mistaken of each. The share of right steps starts from one of each likewise.
 */
const PSEUDO_COUNT = 1;

/**
 * True labels and error rates of the judges from their votes alone, by expectation and maximisation
 * (Dawid and Skene 1979). `labels[judge][step]` holds all steps of all responses; abstentions are votes not cast.
 * Judges are taken to err independently of each other. Of the two mirror solutions it gives the one near the majority.
 */
export function dawidSkene(
  labels: readonly (readonly StepLabel[])[],
  options: DawidSkeneOptions = {},
): DawidSkene {
  const { iterations = 100, tolerance = 1e-7 } = options;
  if (labels.length < 3) throw badArgument('labels', `${labels.length} judges; expected at least 3`);
  const count = labels[0]!.length;
  if (labels.some((own) => own.length !== count)) throw badArgument('labels', 'lists of different lengths');
  if (!(Number.isSafeInteger(iterations) && iterations >= 1)) {
    throw badArgument('iterations', `${iterations}; expected a positive integer`);
  }
  const { patterns, patternOf } = patternsOf(labels, count);
  let posterior = patterns.map(({ votes }) => shareOfRights(votes));
  const logLikelihood: number[] = [];
  let rates = maximise(patterns, posterior, labels.length);
  for (let round = 1; round <= iterations; round++) {
    const next = expect(patterns, rates);
    logLikelihood.push(next.logLikelihood + logPriorOf(rates));
    const moved = Math.max(0, ...posterior.map((p, i) => Math.abs(p - next.posterior[i]!)));
    posterior = next.posterior;
    if (moved <= tolerance) break;
    if (round < iterations) rates = maximise(patterns, posterior, labels.length);
  }
  return {
    ...rates,
    posterior: patternOf.map((pattern) => (pattern === null ? null : posterior[pattern]!)),
    iterations: logLikelihood.length,
    logLikelihood,
  };
}

type Rates = Pick<DawidSkene, 'prior' | 'judges'>;

/** Votes that some steps got, and how many did. Few judges make few patterns, however many the steps. */
interface Pattern {
  votes: readonly StepLabel[];
  count: number;
}

/** The patterns, and which of them each step has; null where no one voted. */
function patternsOf(
  labels: readonly (readonly StepLabel[])[],
  count: number,
): { patterns: Pattern[]; patternOf: (number | null)[] } {
  const patterns: Pattern[] = [];
  const index = new Map<string, number>();
  const patternOf = Array.from({ length: count }, (_, step) => {
    const votes = labels.map((own) => own[step]!);
    if (votes.every((vote) => vote === 'abstain')) return null;
    const key = votes.join();
    const known = index.get(key) ?? patterns.push({ votes, count: 0 }) - 1;
    index.set(key, known);
    patterns[known]!.count++;
    return known;
  });
  return { patterns, patternOf };
}

function shareOfRights(votes: readonly StepLabel[]): number {
  const cast = votes.filter((vote) => vote !== 'abstain');
  return cast.filter((vote) => vote === 'right').length / cast.length;
}

/** The rates that the posterior makes most probable. */
function maximise(patterns: readonly Pattern[], posterior: readonly number[], count: number): Rates {
  let [right, all] = [PSEUDO_COUNT, 2 * PSEUDO_COUNT];
  const tables = Array.from({ length: count }, () => ({
    ...{ hit: PSEUDO_COUNT, rights: 2 * PSEUDO_COUNT, correct: PSEUDO_COUNT, wrongs: 2 * PSEUDO_COUNT },
  }));
  for (const [i, { votes, count: steps }] of patterns.entries()) {
    const p = steps * posterior[i]!;
    right += p;
    all += steps;
    for (const [judge, vote] of votes.entries()) {
      if (vote === 'abstain') continue;
      const table = tables[judge]!;
      table.rights += p;
      table.wrongs += steps - p;
      if (vote === 'right') table.hit += p;
      else table.correct += steps - p;
    }
  }
  const judges = tables.map(({ hit, rights, correct, wrongs }) => ({
    ...{ sensitivity: hit / rights, specificity: correct / wrongs },
  }));
  return { prior: right / all, judges };
}

function expect(
  patterns: readonly Pattern[],
  { prior, judges }: Rates,
): { posterior: number[]; logLikelihood: number } {
  let logLikelihood = 0;
  const posterior = patterns.map(({ votes, count }) => {
    let [right, wrong] = [Math.log(prior), Math.log(1 - prior)];
    for (const [judge, vote] of votes.entries()) {
      if (vote === 'abstain') continue;
      const { sensitivity, specificity } = judges[judge]!;
      right += Math.log(vote === 'right' ? sensitivity : 1 - sensitivity);
      wrong += Math.log(vote === 'right' ? 1 - specificity : specificity);
    }
    const top = Math.max(right, wrong);
    const total = top + Math.log(Math.exp(right - top) + Math.exp(wrong - top));
    logLikelihood += count * total;
    return Math.exp(right - total);
  });
  return { posterior, logLikelihood };
}

function logPriorOf({ prior, judges }: Rates): number {
  const rates = [prior, ...judges.flatMap(({ sensitivity, specificity }) => [sensitivity, specificity])];
  return rates.reduce((sum, p) => sum + PSEUDO_COUNT * (Math.log(p) + Math.log(1 - p)), 0);
}

function badArgument(argument: string, given: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', `dawidSkene: ${argument}: got ${given}`, { argument });
}

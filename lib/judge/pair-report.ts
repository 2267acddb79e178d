import type { PairAgreement } from './agreement.ts';
import { type AgreementCounts, type AgreementTable, addVote, noCounts, tableOf } from './agreement-table.ts';
import { firstErrorOf } from './first-error.ts';
import type { StepLabel } from './judge.ts';
import { type KappaInterval, kappaInterval } from './kappa-interval.ts';

/** One response as the report sees it. */
export interface JudgedResponse {
  labels: Map<string, readonly StepLabel[]>;
  /** Tokens of each step; null where unknown. */
  tokens: readonly number[] | null;
  /** Judges that were not asked about every step. */
  partlyAsked: ReadonlySet<string>;
}

/** Steps of one kind: "0–20 %" of the way through the response, or in responses of "9–16 steps". */
export interface AgreementSlice {
  slice: string;
  table: AgreementTable;
}

export interface PairReport extends PairAgreement {
  /** Responses compared. */
  responses: number;
  /**
   * Responses left out because one of the two was asked about some steps only. Which ones follows from what other
   * judges said, so their agreement there says nothing about the rest.
   */
  partlyAsked: number;
  kappaInterval: KappaInterval | null;
  tokenKappaInterval: KappaInterval | null;
  /** By where in its response a step stands, in fifths. */
  byPosition: AgreementSlice[];
  /** By the number of steps of the response, in powers of two. */
  byLength: AgreementSlice[];
  /** Responses in which both place the first error at the same step, or both find none. */
  firstError: {
    same: number;
    compared: number;
    /** Left out: an abstention leaves a first error open. */
    open: number;
  };
}

const FIFTHS = ['0–20 %', '20–40 %', '40–60 %', '60–80 %', '80–100 %'];

interface Tally {
  steps: AgreementCounts[];
  tokens: AgreementCounts[];
  slices: { position: Map<string, AgreementCounts>; length: Map<string, AgreementCounts> };
  firstError: PairReport['firstError'];
}

export function comparePair(
  first: string,
  second: string,
  responses: readonly JudgedResponse[],
  bootstrap: { replicates: number; seed: number },
): PairReport {
  const whole = responses.filter(({ partlyAsked }) => !partlyAsked.has(first) && !partlyAsked.has(second));
  const tally: Tally = {
    ...{ steps: [], tokens: [], firstError: { same: 0, compared: 0, open: 0 } },
    slices: { position: new Map(FIFTHS.map((name) => [name, noCounts()])), length: new Map() },
  };
  for (const { labels, tokens } of whole) count(tally, labels.get(first)!, labels.get(second)!, tokens);
  const inTokens = whole.length > 0 && tally.tokens.length === whole.length;
  return {
    ...{ first, second, responses: whole.length, partlyAsked: responses.length - whole.length },
    steps: tableOf(total(tally.steps)),
    tokens: inTokens ? tableOf(total(tally.tokens)) : null,
    kappaInterval: kappaInterval(tally.steps, bootstrap),
    tokenKappaInterval: inTokens ? kappaInterval(tally.tokens, bootstrap) : null,
    byPosition: slicesOf(tally.slices.position),
    byLength: slicesOf(new Map([...tally.slices.length].sort(([a], [b]) => lowest(a) - lowest(b)))),
    firstError: tally.firstError,
  };
}

function count(
  tally: Tally,
  first: readonly StepLabel[],
  second: readonly StepLabel[],
  tokens: readonly number[] | null,
): void {
  const [inSteps, inTokens] = [noCounts(), noCounts()];
  const name = lengthName(first.length);
  const byLength = tally.slices.length.get(name) ?? noCounts();
  tally.slices.length.set(name, byLength);
  for (const [k, label] of first.entries()) {
    const other = second[k]!;
    const fifth = FIFTHS[Math.floor((5 * k) / first.length)]!;
    for (const counts of [inSteps, byLength, tally.slices.position.get(fifth)!])
      addVote(counts, label, other, 1);
    if (tokens !== null) addVote(inTokens, label, other, tokens[k]!);
  }
  tally.steps.push(inSteps);
  if (tokens !== null) tally.tokens.push(inTokens);
  const [a, b] = [firstErrorOf(first), firstErrorOf(second)];
  if (a === 'unknown' || b === 'unknown') tally.firstError.open++;
  else {
    tally.firstError.compared++;
    if (a === b) tally.firstError.same++;
  }
}

/** "1 step", "2 steps", "3–4 steps", "5–8 steps", … */
function lengthName(steps: number): string {
  if (steps <= 2) return steps === 1 ? '1 step' : `${steps} steps`;
  const high = 2 ** Math.ceil(Math.log2(steps));
  return `${high / 2 + 1}–${high} steps`;
}

function lowest(name: string): number {
  return Number.parseInt(name, 10);
}

function slicesOf(counts: ReadonlyMap<string, AgreementCounts>): AgreementSlice[] {
  return [...counts].map(([slice, own]) => ({ slice, table: tableOf(own) }));
}

function total(parts: readonly AgreementCounts[]): AgreementCounts {
  const sum = noCounts();
  for (const part of parts) {
    for (const key of Object.keys(sum) as (keyof AgreementCounts)[]) sum[key] += part[key];
  }
  return sum;
}

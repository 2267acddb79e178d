/** Names of the diagnostics in the order of `lap_diagnostic` in lapidary.h: sums, counts and extrema. */
export const DIAGNOSTICS = [
  'loss',
  'policyLoss',
  'sequenceLoss',
  'tokens',
  'sequences',
  'clipped',
  'ratioOverflow',
  'constraintReversed',
  'positiveTokens',
  'positiveLogp',
  'relievedTokens',
  'relievedLogp',
  'penalisedTokens',
  'penalisedLogp',
  'sSum',
  'sSquares',
  'sMaxAbs',
  'gradAbsMax',
  'klLoss',
  'clippedLow',
  'clippedHigh',
  'clippedDual',
  'ratioTokens',
  'ratioSum',
  'ratioMax',
  'klK1Sum',
  'klValues',
  'importanceSum',
  'importanceSquares',
  'importanceMax',
  'pushAbs',
  'pullAbs',
  'positiveSequences',
  'positiveSSum',
  'positiveSSquares',
  'positiveSMaxAbs',
  'negativeSequences',
  'negativeSSum',
  'negativeSSquares',
  'negativeSMaxAbs',
  'pairs',
  'chosenRewards',
  'rejectedRewards',
  'pairsRight',
  'nonFinite',
] as const;

/** Diagnostics that are extrema: batches merge by the larger one. All others add up. */
export const EXTREMA: readonly (typeof DIAGNOSTICS)[number][] = [
  ...(['sMaxAbs', 'gradAbsMax', 'ratioMax', 'importanceMax', 'positiveSMaxAbs', 'negativeSMaxAbs'] as const),
];

/** Doubles of a sequence in the stats of phase one: see `lap_sequence_stats`. */
export const SEQUENCE_STATS = 5;

/** Sums over the batch, never means: the consumer knows the global denominators. See lapidary.h for each. */
export type Diagnostics = Record<(typeof DIAGNOSTICS)[number], number>;

/** Diagnostics by name, from their place in an array. */
export function namedDiagnostics(numbers: Float64Array): Diagnostics {
  return Object.fromEntries(DIAGNOSTICS.map((name, i) => [name, numbers[i]!])) as Diagnostics;
}

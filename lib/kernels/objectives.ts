import * as logLinear from './log-linear-objectives.ts';
import * as preferences from './preference-objectives.ts';
import * as ratios from './ratio-objectives.ts';
import * as weights from './weighted-objectives.ts';

export type * from './objective.ts';

/** The published objectives as functions of their parameters; each says what its inputs must be. */
export const objectives = { ...logLinear, ...ratios, ...weights, ...preferences } as const;

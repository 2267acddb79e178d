import { type ObjectiveSpec, objectiveSpec } from '../train/objective-spec.ts';
import type { Method } from './config.ts';

/** What a method trains with: its keys beside those of the schema are the objective's options. */
export function objectiveOf(method: Method): ObjectiveSpec {
  return objectiveSpec(method.objective, optionsOf(method));
}

/** What of a method the objective reads; the rest says how its rows are labelled and where it is reported. */
export function optionsOf(method: Method): Record<string, number | string | boolean> {
  const {
    name: _n,
    table: _t,
    iterations: _i,
    beta: _b,
    propagation: _p,
    judges: _j,
    consensus: _c,
    ...rest
  } = method;
  const { objective: _o, ...options } = rest;
  return options as Record<string, number | string | boolean>;
}

// The default solver of the symbolic worker. A solver module exports `identical(a, b)`, two expressions in MathJSON,
// and returns true only where it has proved them equal for every value of their variables.
import { ComputeEngine } from '@cortex-js/compute-engine';

const engine = new ComputeEngine();

export function identical(a, b) {
  return engine.expr(a).isIdenticallyEqual(engine.expr(b)) === true;
}

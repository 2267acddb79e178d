import { LapidaryError } from '../errors.ts';
import { objectiveArguments } from '../kernels/objective-arguments.ts';
import type { Anchor, Objective } from '../kernels/objectives.ts';

const INPUT_OF = { old: 'oldLogp', behaviour: 'behaviourLogp', ref: 'refLogp' } as const;

/** The stored log-probs that an objective reads. */
export function anchorsOf(objective: Objective): Anchor[] {
  const { gate, sequenceTerm, tokenMask, importance, kl, sequenceMask } = objective;
  const read = new Set<Anchor>();
  if ('anchor' in gate) read.add(gate.anchor);
  if (sequenceTerm?.anchor) read.add(sequenceTerm.anchor);
  if (tokenMask) read.add(tokenMask.anchor);
  if (importance) read.add('behaviour');
  if (importance?.numerator === 'old') read.add('old');
  if (kl) read.add(kl.anchor ?? 'ref');
  if (kl?.gradient === 'ratio' || kl?.gradient === 'weighted') read.add(kl.ratioAnchor ?? 'old');
  if (sequenceMask !== undefined) read.add('behaviour');
  return (Object.keys(INPUT_OF) as Anchor[]).filter((anchor) => read.has(anchor));
}

const OF_PAIRS = ['logistic-pair', 'square-pair', 'hinge-pair'];

export function isOfPairs({ sequenceTerm }: Objective): boolean {
  return sequenceTerm !== null && OF_PAIRS.includes(sequenceTerm.kind);
}

/** Holds an objective from a configuration to the kernels' ranges before anything is trained. */
export function checkRanges(objective: Objective): void {
  const inputs = { oldLogp: true, behaviourLogp: true, refLogp: true, nftQuality: true };
  try {
    objectiveArguments(objective, inputs);
  } catch (cause) {
    if (!LapidaryError.isInstance(cause)) throw cause;
    const { argument } = cause;
    throw new LapidaryError('ERR_LAPIDARY_CONFIG', `objective ${objective.name}: ${cause.message}`, {
      cause,
      ...(argument === undefined ? {} : { argument }),
    });
  }
}

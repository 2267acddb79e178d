import { sequenceScales } from '../kernels/aggregation.ts';
import { Tensor } from '../kernels/tensor.ts';
import type { PackedTokens } from '../policy/policy.ts';
import { groupOf } from './advantage-rule.ts';
import type { Example } from './examples.ts';
import type { ObjectiveSpec } from './objective-spec.ts';

/**
 * N_i of an update's responses, in order. The denominators are those of the whole update, whatever it is cut into.
 * A pair's loss is scaled by N of its chosen response: 1 / pairs.
 */
export function updateScales(
  spec: ObjectiveSpec,
  responses: readonly Example[],
  fixedLength: number,
): Float32Array {
  const lengths = responses.map((example) => example.responseIds.length);
  if (spec.aggregation === 'pair-mean') return new Float32Array(lengths.length).fill(2 / lengths.length);
  const groups = spec.aggregation === 'group-token-mean' ? { groups: responses.map(groupOf) } : {};
  return sequenceScales(spec.aggregation, lengths, { fixedLength, ...groups }).data;
}

/** What the loss reads of a part of an update beside the log-probs, aligned with its packed tokens. */
export function lossColumns(spec: ObjectiveSpec, part: readonly Example[], packed: PackedTokens) {
  const perSequence = (value: (example: Example) => number) =>
    Tensor.from('f32', Float32Array.from(part, value));
  const stored = storedColumns(part, packed);
  return {
    ...stored,
    oldLogp: spec.old === 'ref' ? stored.refLogp : stored.behaviourLogp,
    advantages: perSequence((example) => example.advantage),
    ...(spec.quality ? { nftQuality: perSequence((example) => example.quality!) } : {}),
  };
}

/** The per-token columns; prompt tokens are masked out. */
function storedColumns(part: readonly Example[], packed: PackedTokens) {
  const count = packed.tokens.length;
  const mask = new Uint8Array(count);
  // NaN where a log-prob is missing: an unused entry stays unread, a used one shows at once.
  const column = (fill: number) => Tensor.from('f32', new Float32Array(count).fill(fill));
  const tokenWeights = column(1);
  const behaviourLogp = column(Number.NaN);
  const refLogp = column(Number.NaN);
  part.forEach((example, i) => {
    const end = packed.cuSeqlens[i + 1]!;
    const start = end - example.responseIds.length;
    mask.fill(1, start, end);
    tokenWeights.data.set(example.tokenWeights, start);
    if (example.behaviourLogprobs !== null) behaviourLogp.data.set(example.behaviourLogprobs, start);
    if (example.refLogprobs !== null) refLogp.data.set(example.refLogprobs, start);
  });
  return { mask, tokenWeights, behaviourLogp, refLogp };
}

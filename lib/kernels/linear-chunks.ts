import { checkTensor } from './check.ts';
import {
  deviceKeptElements,
  keptElements,
  type LinearBackwardOptions,
  type LinearForwardOptions,
  type LinearLogprobsGradient,
  type LinearLogprobsInput,
} from './linear-logprobs.ts';
import type { LogprobColumns, LogprobOptions, Logprobs } from './logprobs.ts';
import type { Place } from './place.ts';
import { slice } from './sequence-chunks.ts';
import type { Tensor } from './tensor.ts';

/** Rows [begin, end). */
export interface Rows {
  begin: number;
  end: number;
}

/** A head's forward and backward over one chunk of rows after the other. */
export interface HeadPasses {
  place: Place;
  input: LinearLogprobsInput;
  options: LogprobOptions;
  /** [T] each; `dlogp` is complete for a chunk before its backward. */
  columns: LogprobColumns & Partial<Pick<Logprobs, 'entropy'>>;
  dhidden: Tensor<'f32'>;
  dweight: Tensor<'f32'> | null;
  /** Add to dweight from the first chunk on. */
  accumulate: boolean;
  /** Where logits are kept; a chunk that does not fit has them computed again. */
  kept: Tensor<'f32'>;
}

/** Rows of a chunk are multiples of it, where they can be. */
const STEP = 32;

/** How large the kept logits of a head are, where its call runs. */
function elementsKept({ stream }: Place, { weight }: LinearLogprobsInput): (rows: number) => number {
  const vocab = weight.shape[0]!;
  return stream === undefined
    ? (rows) => keptElements(rows, vocab)
    : (rows) => deviceKeptElements(stream.native, rows, vocab, weight.dtype);
}

/** How many of `rows` rows' logits fit into so many floats: all, or a multiple of 32. */
export function rowsThatFit(
  place: Place,
  input: LinearLogprobsInput,
  elements: number,
  rows: number,
): number {
  const needed = elementsKept(place, input);
  if (needed(rows) <= elements) return rows;
  let [fits, tooMany] = [0, Math.ceil(rows / STEP)];
  while (tooMany - fits > 1) {
    const middle = Math.floor((fits + tooMany) / 2);
    if (needed(middle * STEP) <= elements) fits = middle;
    else tooMany = middle;
  }
  return fits * STEP;
}

/** The caller's memory for kept logits, or new memory of at most `bytes` for at most as many rows as there are. */
export function keptMemory(
  place: Place,
  input: LinearLogprobsInput,
  given: Tensor<'f32'> | undefined,
  bytes: number,
): Tensor<'f32'> {
  if (given !== undefined) return checkTensor('kept', given, ['f32'], [null]);
  const rows = rowsThatFit(place, input, bytes / 4, input.hidden.shape[0]!);
  return place.temporary('f32', [elementsKept(place, input)(rows)]);
}

function chunkInput({ input }: HeadPasses, { begin, end }: Rows): LinearLogprobsInput {
  return {
    hidden: slice(input.hidden, begin, end),
    weight: input.weight,
    targets: slice(input.targets, begin, end),
  };
}

function chunkOptions({ options: given, place }: HeadPasses, { begin, end }: Rows): LogprobOptions {
  const options = { ...given, ...(place.stream && { stream: place.stream }) };
  const { temperature } = options;
  return typeof temperature === 'object'
    ? { ...options, temperature: slice(temperature, begin, end) }
    : options;
}

function chunkKept({ place, input, kept }: HeadPasses, { begin, end }: Rows): { kept?: Tensor<'f32'> } {
  return elementsKept(place, input)(end - begin) <= kept.size ? { kept } : {};
}

export function chunkForward(passes: HeadPasses, rows: Rows): [LinearLogprobsInput, LinearForwardOptions] {
  const { logp, lse, entropy } = passes.columns;
  const part = (tensor: Tensor<'f32'>) => slice(tensor, rows.begin, rows.end);
  const out = { logp: part(logp), lse: part(lse), ...(entropy && { entropy: part(entropy) }) };
  return [chunkInput(passes, rows), { ...chunkOptions(passes, rows), ...chunkKept(passes, rows), out }];
}

/** `first`: the chunk that writes dweight where the others add to it. */
export function chunkBackward(
  passes: HeadPasses,
  rows: Rows,
  first: boolean,
): [LinearLogprobsGradient, LinearBackwardOptions] {
  const part = (tensor: Tensor<'f32'>) => slice(tensor, rows.begin, rows.end);
  const { logp, lse, dlogp } = passes.columns;
  const { dhidden, dweight, accumulate } = passes;
  return [
    { ...chunkInput(passes, rows), logp: part(logp), lse: part(lse), dlogp: part(dlogp) },
    {
      ...chunkOptions(passes, rows),
      ...chunkKept(passes, rows),
      frozenHead: dweight === null,
      accumulate: accumulate || !first,
      out: { dhidden: part(dhidden), ...(dweight && { dweight }) },
    },
  ];
}

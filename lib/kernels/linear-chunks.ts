import { checkTensor } from './check.ts';
import {
  keptElements,
  keptLogits,
  type LinearBackwardOptions,
  type LinearForwardOptions,
  type LinearLogprobsGradient,
  type LinearLogprobsInput,
} from './linear-logprobs.ts';
import type { LogprobColumns, LogprobOptions, Logprobs } from './logprobs.ts';
import { slice } from './sequence-chunks.ts';
import type { Tensor } from './tensor.ts';

/** Rows [begin, end). */
export interface Rows {
  begin: number;
  end: number;
}

/** A head's forward and backward over one chunk of rows after the other. */
export interface HeadPasses {
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

/** How many rows' logits fit into `kept`. */
export function rowsThatFit(kept: Tensor<'f32'>, vocab: number): number {
  return Math.floor(kept.size / (vocab + 63) / 32) * 32;
}

/** The caller's memory for kept logits, or new memory of at most `bytes` for at most `rows` rows. */
export function keptMemory(
  given: Tensor<'f32'> | undefined,
  rows: number,
  vocab: number,
  bytes: number,
): Tensor<'f32'> {
  if (given !== undefined) return checkTensor('kept', given, ['f32'], [null]);
  const fitting = Math.floor(bytes / 4 / (vocab + 63) / 32) * 32;
  return keptLogits(Math.min(rows, fitting), vocab);
}

function chunkInput({ input }: HeadPasses, { begin, end }: Rows): LinearLogprobsInput {
  return {
    hidden: slice(input.hidden, begin, end),
    weight: input.weight,
    targets: slice(input.targets, begin, end),
  };
}

function chunkOptions({ options }: HeadPasses, { begin, end }: Rows): LogprobOptions {
  const { temperature } = options;
  return typeof temperature === 'object'
    ? { ...options, temperature: slice(temperature, begin, end) }
    : options;
}

function chunkKept({ input, kept }: HeadPasses, { begin, end }: Rows): { kept?: Tensor<'f32'> } {
  return keptElements(end - begin, input.weight.shape[0]!) <= kept.size ? { kept } : {};
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

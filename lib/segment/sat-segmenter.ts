import { createHash } from 'node:crypto';
import { basename, dirname } from 'node:path';
import { canonicalJson } from '../data/ids.ts';
import { LapidaryError } from '../errors.ts';
import {
  loadHfEncoder,
  type OffsetEncoder,
  type TextEncoding,
  type TokenizersModule,
} from '../tokenizer/hf-encoder.ts';
import { checkLengths, cutText, type LengthOptions, type Lengths } from './cut-text.ts';
import type { BlockWeighting } from './sat-blocks.ts';
import { type SatChoice, satBreaks } from './sat-breaks.ts';
import { type Candidate, candidatesOf } from './sat-candidates.ts';
import { SatReader, type SatReading } from './sat-logits.ts';
import { OrtSatModel, type OrtSatModelOptions, type SatModel } from './sat-model.ts';
import { checkPrior, type LengthPrior } from './sat-priors.ts';
import type { AsyncSegmenter, Segmentation, SegmentInput, Span } from './segmenter.ts';

/** The probability above which a boundary is taken, by kind of model, and for paragraphs (any model). */
export const SAT_THRESHOLDS = {
  base: 0.025,
  sm: 0.25,
  'no-limited-lookahead': 0.01,
  lora: 0.5,
  paragraph: 0.5,
} as const;
export type SatKind = Exclude<keyof typeof SAT_THRESHOLDS, 'paragraph'>;

export interface SatSegmenterOptions extends LengthOptions {
  /** threshold: every boundary above it. viterbi, greedy: by model and length prior, within minChars and maxChars. */
  mode?: 'threshold' | 'viterbi' | 'greedy';
  /** Picks the threshold; SaT's `-sm` models are "sm". */
  kind?: SatKind;
  /** Instead of the one for the kind. SAT_THRESHOLDS.paragraph gives paragraphs by the model. */
  threshold?: number;
  prior?: LengthPrior;
  /** The model never sees line breaks; blank lines (the default) or all of them can be boundaries all the same. */
  newlines?: 'ignore' | 'paragraphs' | 'lines';
  blockSize?: number;
  stride?: number;
  batchSize?: number;
  weighting?: BlockWeighting;
}

export interface SatParts {
  model: SatModel;
  encoder: OffsetEncoder;
}

/**
 * Segment any Text (Frohmann et al. 2024, arXiv 2406.16678) as a segmenter of steps: the model proposes boundaries,
 * and zones, atomic regions, minimum and maxima hold as for the rules.
 */
export class SatSegmenter implements AsyncSegmenter {
  /** Holds a hash of model, tokenizer and options. */
  readonly id: string;
  readonly #encoder: OffsetEncoder;
  readonly #reader: SatReader;
  readonly #lengths: Lengths;
  readonly #choice: SatChoice;

  constructor({ model, encoder }: SatParts, options: SatSegmenterOptions = {}) {
    this.#lengths = checkLengths(options);
    this.#choice = checkChoice(options);
    const reading = checkReading(options);
    this.#encoder = encoder;
    this.#reader = new SatReader(model, encoder, reading);
    const { batchSize: _, ...whatMatters } = reading;
    const canonical = canonicalJson([model.id, encoder.id, this.#lengths, this.#choice, whatMatters]);
    this.id = `sat-v1:${createHash('sha256').update(canonical).digest('hex').slice(0, 12)}`;
  }

  async segmentMany(
    inputs: readonly SegmentInput[],
    options: { signal?: AbortSignal } = {},
  ): Promise<Span[][]> {
    return (await this.segmentManyWithStats(inputs, options)).map(({ spans }) => spans);
  }

  async segmentManyWithStats(
    inputs: readonly SegmentInput[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<Segmentation[]> {
    const candidates = await this.#candidates(
      inputs.map(({ text }) => text),
      signal,
    );
    return inputs.map(({ text, owners }, i) =>
      forInput(i, () =>
        cutText(text, owners, this.#lengths, satBreaks(candidates[i]!, this.#lengths, this.#choice)),
      ),
    );
  }

  /** The boundaries that the model proposes, of any probability. A blank text is not shown to it. */
  async #candidates(texts: readonly string[], signal: AbortSignal | undefined): Promise<Candidate[][]> {
    const filled = texts.flatMap((text, index) => (text.trim() === '' ? [] : [{ text, index }]));
    const encodings: TextEncoding[] = [];
    for (const { text, index } of filled) {
      signal?.throwIfAborted();
      encodings.push(await forInput(index, () => this.#encoder.encode(text)));
    }
    const logits = await this.#reader.tokenLogits(encodings, signal);
    const candidates: Candidate[][] = texts.map(() => []);
    for (const [i, { text, index }] of filled.entries()) {
      candidates[index] = forInput(index, () => candidatesOf(text, encodings[i]!, logits[i]!));
    }
    return candidates;
  }
}

/** Errors name the input that they are about. */
function forInput<T>(index: number, work: () => T): T {
  const named = (cause: unknown): unknown => {
    if (!LapidaryError.isInstance(cause)) return cause;
    const argument = cause.argument === undefined ? {} : { argument: cause.argument };
    return new LapidaryError(cause.code, `inputs[${index}]: ${cause.message}`, { cause, ...argument });
  };
  try {
    const result = work();
    if (!(result instanceof Promise)) return result;
    return result.catch((cause: unknown) => Promise.reject(named(cause))) as T;
  } catch (cause) {
    throw named(cause);
  }
}

export interface OpenSatOptions extends SatSegmenterOptions, OrtSatModelOptions {
  tokenizersModule?: TokenizersModule;
}

/**
 * A SaT segmenter from files: `model`, an ONNX file or the folder that holds it, and `tokenizer`, the tokenizer.json of
 * XLM-RoBERTa base. Needs the packages onnxruntime-node and tokenizers (ERR_LAPIDARY_ARGUMENT where they are missing).
 * Without `kind` or `threshold` the kind is read from a name such as "sat-3l-sm".
 */
export async function openSatSegmenter(
  files: { model: string; tokenizer: string },
  options: OpenSatOptions = {},
): Promise<SatSegmenter> {
  const { sessionOptions, module, tokenizersModule, ...rest } = options;
  const kind = rest.kind ?? (rest.threshold === undefined ? kindOfName(files.model) : 'base');
  const encoder = await loadHfEncoder(files.tokenizer, tokenizersModule);
  const model = await OrtSatModel.open(files.model, {
    ...(sessionOptions === undefined ? {} : { sessionOptions }),
    ...(module === undefined ? {} : { module }),
  });
  return new SatSegmenter({ model, encoder }, { ...rest, kind });
}

/** From the name of the file or of its folder. */
function kindOfName(path: string): SatKind {
  const names = [basename(path), basename(dirname(path))];
  const name = names.find((candidate) => /sat-\d+l/.test(candidate));
  if (name === undefined) {
    const problem = `missing, and ${path} has no name such as sat-3l-sm to read it from`;
    throw argumentError('kind', `${problem}: expected ${KINDS.join(', ')}`);
  }
  if (/-sm(?![a-z])/.test(name)) return 'sm';
  return name.includes('no-limited-lookahead') ? 'no-limited-lookahead' : 'base';
}

const KINDS = Object.keys(SAT_THRESHOLDS).filter((kind) => kind !== 'paragraph');

function checkChoice(options: SatSegmenterOptions): SatChoice {
  const { mode = 'threshold', kind = 'base', prior = { kind: 'uniform' }, newlines = 'paragraphs' } = options;
  checkOneOf('mode', mode, ['threshold', 'viterbi', 'greedy']);
  checkOneOf('kind', kind, KINDS);
  checkOneOf('newlines', newlines, ['ignore', 'paragraphs', 'lines']);
  const { threshold = SAT_THRESHOLDS[kind] } = options;
  if (!(threshold >= 0 && threshold <= 1)) throw argumentError('threshold', `${threshold}: expected 0 to 1`);
  checkPrior(prior);
  return { mode, threshold, prior, newlines };
}

/** The positions that XLM-RoBERTa has. */
const MAX_BLOCK = 512;

function checkReading(options: SatSegmenterOptions): SatReading {
  const { blockSize = MAX_BLOCK, stride = 64, batchSize = 32, weighting = 'uniform' } = options;
  checkInteger('blockSize', blockSize, 3, MAX_BLOCK);
  checkInteger('stride', stride, 1, blockSize - 2);
  checkInteger('batchSize', batchSize, 1, 65_536);
  checkOneOf('weighting', weighting, ['uniform', 'hat']);
  return { blockSize, stride, batchSize, weighting };
}

function checkInteger(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw argumentError(name, `${value}: expected an integer in ${least}..${most}`);
}

function checkOneOf(name: string, value: string, allowed: readonly string[]): void {
  if (allowed.includes(value)) return;
  throw argumentError(name, `${JSON.stringify(value)}: expected one of ${allowed.join(', ')}`);
}

function argumentError(argument: string, problem: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', `${argument}: ${problem}`, { argument });
}

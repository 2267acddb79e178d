import { LapidaryError } from '../errors.ts';
import type { OffsetEncoder, TextEncoding } from '../tokenizer/hf-encoder.ts';
import { type Block, BlockAverage, type BlockWeighting, blocksOf, blockWeights } from './sat-blocks.ts';
import type { SatModel } from './sat-model.ts';

export interface SatReading {
  /** Tokens of a block, <s> and </s> included. */
  blockSize: number;
  /** Tokens from one block to the next. */
  stride: number;
  /** Blocks given to the model at once. */
  batchSize: number;
  weighting: BlockWeighting;
}

interface Job {
  text: number;
  block: Block;
}

/**
 * Reads texts with a SaT model: in overlapping blocks with <s> and </s> around each, averaged where they overlap.
 * Gives a logit per token. Blocks of all texts share batches; a batch holds blocks of one length, so nothing is
 * padded and no text's result depends on its neighbours' lengths.
 */
export class SatReader {
  readonly #model: SatModel;
  readonly #reading: SatReading;
  readonly #bos: bigint;
  readonly #eos: bigint;

  constructor(model: SatModel, encoder: OffsetEncoder, reading: SatReading) {
    this.#model = model;
    this.#reading = reading;
    this.#bos = specialId(encoder, '<s>');
    this.#eos = specialId(encoder, '</s>');
  }

  async tokenLogits(encodings: readonly TextEncoding[], signal?: AbortSignal): Promise<Float64Array[]> {
    const averages = encodings.map(({ ids }) => new BlockAverage(ids.length));
    for (const batch of this.#batches(encodings)) {
      signal?.throwIfAborted();
      const size = batch[0]!.block.end - batch[0]!.block.start;
      const weights = blockWeights(size, this.#reading.weighting);
      const length = size + 2;
      const logits = await this.#model.boundaryLogits(this.#inputIds(batch, encodings), batch.length, length);
      for (const [row, { text, block }] of batch.entries()) {
        // Without the positions of <s> and </s>.
        const ofBlock = logits.subarray(row * length + 1, row * length + 1 + size);
        checkLogits(ofBlock, size);
        averages[text]!.add(block, weights, ofBlock);
      }
    }
    return averages.map((average) => average.mean());
  }

  *#batches(encodings: readonly TextEncoding[]): Generator<Job[]> {
    const { blockSize, stride, batchSize } = this.#reading;
    const byLength = new Map<number, Job[]>();
    for (const [text, { ids }] of encodings.entries()) {
      for (const block of blocksOf(ids.length, blockSize - 2, stride)) {
        const length = block.end - block.start;
        if (!byLength.has(length)) byLength.set(length, []);
        byLength.get(length)!.push({ text, block });
      }
    }
    for (const jobs of byLength.values()) {
      for (let at = 0; at < jobs.length; at += batchSize) yield jobs.slice(at, at + batchSize);
    }
  }

  #inputIds(batch: readonly Job[], encodings: readonly TextEncoding[]): BigInt64Array {
    const size = batch[0]!.block.end - batch[0]!.block.start;
    const ids = new BigInt64Array(batch.length * (size + 2));
    let at = 0;
    for (const { text, block } of batch) {
      ids[at++] = this.#bos;
      for (let i = block.start; i < block.end; i++) ids[at++] = BigInt(encodings[text]!.ids[i]!);
      ids[at++] = this.#eos;
    }
    return ids;
  }
}

function specialId(encoder: OffsetEncoder, token: string): bigint {
  const id = encoder.tokenToId(token);
  if (id !== null && id !== undefined) return BigInt(id);
  const message = `encoder: ${encoder.id} has no token ${token}: expected the tokenizer of XLM-RoBERTa`;
  throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', message, { argument: 'encoder' });
}

function checkLogits(logits: Float32Array, size: number): void {
  if (logits.length !== size) {
    const problem = `logits: ${logits.length} for a block of ${size} tokens`;
    throw new LapidaryError('ERR_LAPIDARY_DATA', problem, { argument: 'model' });
  }
  // A NaN is above no threshold, so it would pass for "no boundary".
  if (logits.some(Number.isNaN)) {
    throw new LapidaryError('ERR_LAPIDARY_DATA', 'logits: hold NaN', { argument: 'model' });
  }
}

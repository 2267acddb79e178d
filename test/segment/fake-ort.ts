import { fromF16, toF16Array } from '../../lib/kernels/f16.ts';
import type { OrtModule } from '../../lib/segment/sat-model.ts';
import { fakeLogit } from './fake-sat.ts';

class FakeTensor {
  readonly type: string;
  readonly data: ArrayLike<number>;
  readonly dims: readonly number[];
  constructor(type: string, data: ArrayLike<number> | BigInt64Array, dims: readonly number[]) {
    this.type = type;
    this.data = data as ArrayLike<number>;
    this.dims = dims;
  }
}

export interface FakeOrtOptions {
  inputNames?: string[];
  outputNames?: string[];
  /** The type that logits come back in. */
  type?: 'float32' | 'float16';
  labels?: number;
  dims?: number[];
  fail?: string;
}

/** What onnxruntime-node is to the caller: checks the feeds as the runtime would, and computes in JavaScript. */
export function fakeOrt(options: FakeOrtOptions = {}): OrtModule & { opened: string[]; masks: unknown[] } {
  const { inputNames = ['input_ids', 'attention_mask'], outputNames = ['logits'] } = options;
  const opened: string[] = [];
  const masks: unknown[] = [];
  const run = async (feeds: Record<string, FakeTensor>): Promise<Record<string, FakeTensor>> => {
    if (options.fail !== undefined) throw new Error(options.fail);
    const { input_ids: ids, attention_mask: mask } = feeds;
    if (ids?.type !== 'int64' || !((ids.data as unknown) instanceof BigInt64Array)) {
      throw new Error('input_ids: expected int64');
    }
    if (mask?.type !== 'float16') throw new Error('attention_mask: expected float16');
    masks.push(mask.data);
    const [batch, length] = ids.dims as [number, number];
    const labels = options.labels ?? 3;
    const logits = Float32Array.from({ length: batch * length * labels }, (_, i) => {
      const token = Math.floor(i / labels);
      const value = mask.data instanceof Uint16Array ? fromF16(mask.data[token]!) : mask.data[token]!;
      // The mask scales; columns other than the first are there to be left alone.
      return i % labels === 0 ? value * fakeLogit(Number(ids.data[token]), token % length, length) : 1e6;
    });
    const data = options.type === 'float16' ? toF16Array(logits) : logits;
    const dims = options.dims ?? [batch, length, labels];
    return { logits: new FakeTensor(options.type ?? 'float32', data, dims) };
  };
  return {
    opened,
    masks,
    Tensor: FakeTensor,
    InferenceSession: {
      async create(path) {
        opened.push(path);
        return { inputNames, outputNames, run: run as never };
      },
    },
  };
}

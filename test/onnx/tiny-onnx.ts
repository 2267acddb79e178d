import { toF16 } from '../../lib/kernels/f16.ts';

/** Writes an ONNX file by hand: the few messages of its protobuf that a small graph needs. */
type Field = [number: number, value: number | string | Uint8Array];

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return [...bytes, rest];
}

function message(...fields: Field[]): Uint8Array {
  const parts = fields.flatMap(([number, value]) => {
    if (typeof value === 'number') return [...varint(number * 8), ...varint(value)];
    const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
    return [...varint(number * 8 + 2), ...varint(bytes.length), ...bytes];
  });
  return Uint8Array.from(parts);
}

const FLOAT = 1;
const INT64 = 7;
const FLOAT16 = 10;

function tensor(name: string, dims: number[], type: number, raw: ArrayBuffer): Uint8Array {
  const sizes = dims.map((size): Field => [1, size]);
  return message(...sizes, [2, type], [8, name], [9, new Uint8Array(raw)]);
}

function valueInfo(name: string, type: number, dims: (string | number)[]): Uint8Array {
  const shape = dims.map((dim): Field => [1, message(typeof dim === 'number' ? [1, dim] : [2, dim])]);
  const tensorType = message([1, type], [2, message(...shape)]);
  return message([1, name], [2, message([1, tensorType])]);
}

function node(op: string, inputs: string[], output: string, attributes: Uint8Array[] = []): Uint8Array {
  const names = inputs.map((name): Field => [1, name]);
  const given = attributes.map((attribute): Field => [5, attribute]);
  return message(...names, [2, output], [3, output], [4, op], ...given);
}

const INT_ATTRIBUTE = 2;
const castTo = (type: number): Uint8Array => message([1, 'to'], [3, type], [20, INT_ATTRIBUTE]);

export const VOCABULARY = 120;
const WIDTH = 4;
export const LABELS = 3;

/** The weights, small numbers that float32 holds exactly. */
export const embedding = Float32Array.from(
  { length: VOCABULARY * WIDTH },
  (_, i) => (((i * 37) % 65) - 32) / 8,
);
export const projection = Float32Array.from({ length: WIDTH * LABELS }, (_, i) => (((i * 5) % 9) - 4) / 4);
const PER_POSITION = 0.03125;

/** What the graph computes, in JavaScript: logit = mask * (embedding[id] · projection[:, label] + position / 32). */
export function tinyLogit(id: number, position: number, mask = 1, label = 0): number {
  let sum = 0;
  for (let k = 0; k < WIDTH; k++) sum += embedding[id * WIDTH + k]! * projection[k * LABELS + label]!;
  return mask * (sum + PER_POSITION * mask * (position + 1));
}

/**
 * A model with the inputs and the output of SaT: logits [batch, sequence, labels] from input_ids by a gather and a
 * product, a term that grows along the sequence by the running sum of the float16 mask, all times the mask. So a
 * mask that arrives as anything but ones shows in every logit. The output is float32 or float16.
 */
export function tinyOnnx(output: 'float32' | 'float16'): Uint8Array {
  const graph = [
    node('Gather', ['embedding', 'input_ids'], 'vectors'),
    node('MatMul', ['vectors', 'projection'], 'scores'),
    node('Cast', ['attention_mask'], 'mask', [castTo(FLOAT)]),
    node('CumSum', ['mask', 'axis'], 'positions'),
    node('Mul', ['positions', 'per_position'], 'scaled'),
    node('Unsqueeze', ['scaled', 'last'], 'bias'),
    node('Unsqueeze', ['mask', 'last'], 'mask3'),
    node('Add', ['scores', 'bias'], 'sum'),
    node('Mul', ['sum', 'mask3'], 'masked'),
    node('Cast', ['masked'], 'logits', [castTo(output === 'float16' ? FLOAT16 : FLOAT)]),
  ];
  const constants = [
    tensor('embedding', [VOCABULARY, WIDTH], FLOAT, embedding.buffer as ArrayBuffer),
    tensor('projection', [WIDTH, LABELS], FLOAT, projection.buffer as ArrayBuffer),
    tensor('axis', [1], INT64, BigInt64Array.of(1n).buffer as ArrayBuffer),
    tensor('last', [1], INT64, BigInt64Array.of(2n).buffer as ArrayBuffer),
    tensor('per_position', [1], FLOAT, Float32Array.of(PER_POSITION).buffer as ArrayBuffer),
  ];
  const body = message(
    ...graph.map((each): Field => [1, each]),
    [2, 'tiny'],
    ...constants.map((each): Field => [5, each]),
    [11, valueInfo('input_ids', INT64, ['batch', 'sequence'])],
    [11, valueInfo('attention_mask', FLOAT16, ['batch', 'sequence'])],
    [12, valueInfo('logits', output === 'float16' ? FLOAT16 : FLOAT, ['batch', 'sequence', LABELS])],
  );
  const opset = message([1, ''], [2, 13]);
  return message([1, 8], [2, 'lapidary tests'], [7, body], [8, opset]);
}

/** A mask as bit patterns of float16. */
export const halfBits = (values: readonly number[]): Uint16Array => Uint16Array.from(values, toF16);

import { checkInteger, checkKeys, checkNumber, checkTensor, fail } from './check.ts';
import { transform } from './logprobs.ts';
import { addon, callAsync, callSync, type NativeArguments } from './native.ts';
import { allocFor, Place } from './place.ts';
import type { Stream } from './stream.ts';
import { describe, FLOAT_DTYPES, type FloatDType, type Tensor } from './tensor.ts';

const KINDS = ['forward-kl', 'reverse-kl', 'jsd'] as const;

/**
 * With s and t the student's and the teacher's softmax, in nats per row:
 * - `forward-kl`: KL(t||s) = sum_v t_v log(t_v / s_v);
 * - `reverse-kl`: KL(s||t);
 * - `jsd`: beta KL(t||m) + (1 - beta) KL(s||m), m = beta t + (1 - beta) s (generalised Jensen-Shannon, arXiv 2306.13649).
 */
export type DivergenceKind = (typeof KINDS)[number];

export interface DivergenceInput {
  /** [T, V], or its rows inside a wider tensor: see `vocab`. */
  student: Tensor<FloatDType>;
  /** [T, V] of any float type; rows may be padded to another length than the student's. */
  teacher: Tensor<FloatDType>;
  /** V where rows are longer than the vocabulary (padded heads); default: the student's whole row. */
  vocab?: number;
  /** [T]; rows of 0 are not read and give 0. Default: all kept. */
  mask?: Uint8Array;
}

export interface WeightedDivergenceInput extends DivergenceInput {
  /** [T]: dL/dvalue; default 1. */
  rowWeights?: Tensor<'f32'>;
  /** The gradient's place, of the student's type and shape; may be `student` itself. */
  dstudent?: Tensor<FloatDType>;
}

/** How one side's logits become z: softcap first, then the temperature; see LogprobOptions. */
export interface DivergenceTransform {
  temperature?: number | Tensor<'f32'>;
  softcap?: number;
}

export interface DivergenceOptions {
  /** For the JSD: strictly between 0 and 1, default 0.5. Its limits are asked for as the two KLs. */
  beta?: number;
  student?: DivergenceTransform;
  teacher?: DivergenceTransform;
  /** [T], to write the values to. */
  out?: Tensor<'f32'>;
  /** Of tensors on a device: the stream to work on; default the device's own. */
  stream?: Stream;
}

export interface DivergenceWithGradient {
  /** [T], nats. */
  value: Tensor<'f32'>;
  /** rowWeights[t] dvalue[t] / dstudent[t, v]; the teacher gets no gradient. */
  dstudent: Tensor<FloatDType>;
}

function side(
  name: 'student' | 'teacher',
  logits: Tensor<FloatDType>,
  rows: number,
  given: DivergenceTransform = {},
): NativeArguments {
  checkKeys(`options.${name}`, given, ['temperature', 'softcap']);
  const { temperature, temperatures, softcap } = transform(given, rows);
  return {
    [name]: logits.memory,
    [`${name}Dtype`]: logits.dtype,
    [`${name}Stride`]: logits.shape[1],
    [`${name}Temperature`]: temperature,
    [`${name}Temperatures`]: temperatures,
    [`${name}Softcap`]: softcap,
  };
}

function prepare(
  kind: DivergenceKind,
  given: DivergenceInput,
  options: DivergenceOptions,
): [NativeArguments, Tensor<'f32'>] {
  checkKeys('options', options, ['beta', 'student', 'teacher', 'out', 'signal', 'stream']);
  if (!KINDS.includes(kind)) fail('kind', KINDS.join(' or '), JSON.stringify(kind));
  const { student, teacher, mask, vocab } = given;
  checkTensor('student', student, FLOAT_DTYPES, [null, null]);
  const [rows, stride] = student.shape as [number, number];
  checkTensor('teacher', teacher, FLOAT_DTYPES, [rows, null]);
  const shortest = Math.min(stride, teacher.shape[1] as number);
  const width = checkInteger('vocab', vocab ?? stride, 1, shortest);
  if (kind !== 'jsd' && options.beta !== undefined)
    fail('options.beta', 'none without jsd', `${options.beta}`);
  if (mask !== undefined && (!(mask instanceof Uint8Array) || mask.length !== rows)) {
    fail('mask', `a Uint8Array of ${rows} elements`, describe(mask));
  }
  const { beta = 0.5 } = options;
  if (!(checkNumber('options.beta', beta, 0, 1) > 0 && beta < 1)) {
    fail('options.beta', 'a number between 0 and 1, both excluded', `${beta}`);
  }
  const place = new Place(student, options.stream).native;
  const value = checkTensor('options.out', options.out ?? allocFor(place, 'f32', [rows]), ['f32'], [rows]);
  const args = {
    ...place,
    ...{ kind: KINDS.indexOf(kind), beta, rows, vocab: width, value: value.memory },
    ...side('student', student, rows, options.student),
    ...side('teacher', teacher, rows, options.teacher),
    mask,
  };
  return [args, value];
}

function prepareWithGradient(
  kind: DivergenceKind,
  given: WeightedDivergenceInput,
  options: DivergenceOptions,
): [NativeArguments, DivergenceWithGradient] {
  const [args, value] = prepare(kind, given, options);
  const { dtype, shape } = given.student;
  const dstudent = checkTensor('dstudent', given.dstudent ?? allocFor(args, dtype, shape), [dtype], shape);
  const { rowWeights } = given;
  const weights =
    rowWeights === undefined
      ? undefined
      : checkTensor('rowWeights', rowWeights, ['f32'], [args.rows as number]).memory;
  const places = { rowWeights: weights, dstudent: dstudent.memory, dstudentStride: shape[1] };
  return [
    { ...args, ...places },
    { value, dstudent },
  ];
}

/**
 * The divergence of student and teacher in each row, [T], over the whole vocabulary. Small ones keep their relative
 * accuracy where both sides have the same transform. KL(t||s) is +inf where an entry has t > 0 and s = 0.
 * @throws LapidaryError ERR_LAPIDARY_ARGUMENT, before any work, for wrong shapes, types and options.
 */
export async function divergence(
  kind: DivergenceKind,
  given: DivergenceInput,
  options: DivergenceOptions & { signal?: AbortSignal } = {},
): Promise<Tensor<'f32'>> {
  const [args, value] = prepare(kind, given, options);
  await callAsync(addon().divergence, args, options.signal);
  return value;
}

/** {@link divergence} on the calling thread. */
export function divergenceSync(
  kind: DivergenceKind,
  given: DivergenceInput,
  options: DivergenceOptions = {},
): Tensor<'f32'> {
  const [args, value] = prepare(kind, given, options);
  callSync(addon().divergence, args);
  return value;
}

/** {@link divergence} with its gradient to the student's logits; masked rows and rows of weight 0 get 0. */
export async function divergenceWithGradient(
  kind: DivergenceKind,
  given: WeightedDivergenceInput,
  options: DivergenceOptions & { signal?: AbortSignal } = {},
): Promise<DivergenceWithGradient> {
  const [args, results] = prepareWithGradient(kind, given, options);
  await callAsync(addon().divergenceWithGradient, args, options.signal);
  return results;
}

/** {@link divergenceWithGradient} on the calling thread. */
export function divergenceWithGradientSync(
  kind: DivergenceKind,
  given: WeightedDivergenceInput,
  options: DivergenceOptions = {},
): DivergenceWithGradient {
  const [args, results] = prepareWithGradient(kind, given, options);
  callSync(addon().divergenceWithGradient, args);
  return results;
}

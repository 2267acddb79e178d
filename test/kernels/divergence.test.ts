import { describe, expect, it } from 'vitest';
import {
  type DivergenceKind,
  type DivergenceOptions,
  divergence,
  divergenceSync,
  divergenceWithGradient,
  divergenceWithGradientSync,
} from '../../lib/kernels/divergence.ts';
import { type FloatDType, Tensor } from '../../lib/kernels/tensor.ts';
import { oracleDivergence, oracleDivergenceGradient, scaled } from '../oracle/divergence.ts';
import { seededRandom } from '../random.ts';
import { decode, floats, type Matrix, matrix, normal, rowOf } from './batches.ts';
import {
  expectClose,
  expectSameBits,
  FLOAT_TYPES,
  IMPLEMENTATIONS,
  ROUNDING,
  use,
  VARIANTS,
} from './compare.ts';

const SEED = 2306;
const KINDS: DivergenceKind[] = ['forward-kl', 'reverse-kl', 'jsd'];
const plain = { temperature: 1, softcap: 0 };

interface Sides {
  beta?: number;
  student?: { temperature?: number; softcap?: number };
  teacher?: { temperature?: number; softcap?: number };
}

/** Value and gradient against float64; the gradient within `absolute` of its largest entry besides. */
function check(
  what: string,
  kind: DivergenceKind,
  student: Matrix,
  teacher: Matrix,
  options: Sides = {},
  tight = 2e-6,
  gradientTight = tight,
) {
  const result = divergenceWithGradientSync(
    kind,
    { student: student.tensor, teacher: teacher.tensor },
    options,
  );
  const forward = divergenceSync(kind, { student: student.tensor, teacher: teacher.tensor }, options);
  expectSameBits(`${what}: both calls`, forward.data, result.value.data);
  const own = { ...plain, ...options.student };
  const other = { ...plain, ...options.teacher };
  const beta = options.beta === undefined ? 0.5 : Math.fround(options.beta);
  const dtype = student.tensor.dtype;
  const gradients = decode(result.dstudent);
  for (let t = 0; t < student.rows; t++) {
    const row = rowOf(student, t);
    const s = scaled(row, Math.fround(own.temperature), Math.fround(own.softcap));
    const z = scaled(rowOf(teacher, t), Math.fround(other.temperature), Math.fround(other.softcap));
    const value = oracleDivergence(kind, s, z, beta);
    expectClose(`${what} ${kind} value`, [result.value.data[t]!], [value], {
      relative: tight,
      absolute: 1e-12,
    });
    const gradient = oracleDivergenceGradient(kind, s, z, beta).map((g, v) => {
      const slope = own.softcap === 0 ? 1 : 1 - Math.tanh(row[v]! / own.softcap) ** 2;
      return (g * slope) / Math.fround(own.temperature);
    });
    const largest = gradient.reduce((top, g) => Math.max(top, Math.abs(g)), 0);
    const tolerance = {
      absolute: 5 * gradientTight * largest + (dtype === 'f16' ? 2 ** -25 : 1e-38),
      relative: 2 * ROUNDING[dtype as keyof typeof ROUNDING] + gradientTight,
    };
    const actual = gradients.subarray(t * student.columns, (t + 1) * student.columns);
    expectClose(`${what} ${kind} gradient`, actual, gradient, tolerance);
  }
}

describe.each(VARIANTS)(`divergence, $implementation $dtype (seed ${SEED})`, ({ implementation, dtype }) => {
  it.each([1, 2, 7, 31, 1000, 1025, 5003, 151_936])('agrees with float64 at V = %i', (vocab) => {
    use(implementation);
    const random = seededRandom(SEED + vocab);
    const student = matrix(dtype, 3, vocab, () => 2 * normal(random));
    const teacher = matrix(dtype, 3, vocab, () => 2 * normal(random));
    for (const kind of KINDS) check(`V=${vocab}`, kind, student, teacher);
  });

  it('agrees at every lane tail, and for mixed types', () => {
    use(implementation);
    const random = seededRandom(SEED);
    for (let vocab = 1; vocab <= 40; vocab++) {
      const student = matrix(dtype, 1, vocab, () => 2 * normal(random));
      for (const other of FLOAT_TYPES) {
        const teacher = matrix(other, 1, vocab, () => 2 * normal(random));
        check(`V=${vocab} ${other}`, random.pick(KINDS), student, teacher);
      }
    }
    const student = matrix(dtype, 1, 2100, () => 2 * normal(random));
    for (const other of FLOAT_TYPES) {
      check(
        other,
        'jsd',
        student,
        matrix(other, 1, 2100, () => normal(random)),
        { beta: 0.3 },
      );
    }
  });

  it('has temperatures and softcaps for each side', () => {
    use(implementation);
    const random = seededRandom(SEED);
    const student = matrix(dtype, 4, 203, () => 2 * normal(random));
    const teacher = matrix(dtype, 4, 203, () => 2 * normal(random));
    const cooler = { temperature: 0.7 };
    const capped = { temperature: 1.3, softcap: 3 };
    for (const kind of KINDS) {
      check('one temperature', kind, student, teacher, { student: cooler, teacher: cooler });
      check('one cap', kind, student, teacher, { student: capped, teacher: capped });
      check('two', kind, student, teacher, { student: capped, teacher: cooler });
      check('two', kind, student, teacher, { student: cooler, teacher: capped });
    }
  });

  it.each([1e-3, 0.1, 0.9, 0.999])('mixes by beta = %d', (beta) => {
    use(implementation);
    const random = seededRandom(SEED);
    const student = matrix(dtype, 4, 300, () => 3 * normal(random));
    const teacher = matrix(dtype, 4, 300, () => 3 * normal(random));
    check(`beta=${beta}`, 'jsd', student, teacher, { beta }, 5e-6);
  });

  it('is 0 between equal rows, with no gradient', () => {
    use(implementation);
    const random = seededRandom(SEED);
    const { tensor } = matrix(dtype, 3, 1037, (_, v) => (v % 5 === 2 ? -Infinity : 4 * normal(random)));
    for (const kind of KINDS) {
      for (const cap of [{}, { softcap: 5 }]) {
        const options = { student: cap, teacher: cap };
        const result = divergenceWithGradientSync(kind, { student: tensor, teacher: tensor }, options);
        expect([...result.value.data]).toEqual([0, 0, 0]);
        expect(decode(result.dstudent).every((x) => x === 0)).toBe(true);
      }
    }
  });

  it('counts entries of -inf as probability 0', () => {
    use(implementation);
    const random = seededRandom(SEED);
    const student = matrix(dtype, 2, 70, (_, v) => (v % 3 === 0 ? -Infinity : normal(random)));
    const teacher = matrix(dtype, 2, 70, (_, v) => (v % 3 === 0 || v === 4 ? -Infinity : normal(random)));
    check('fewer', 'forward-kl', student, teacher);
    check('fewer', 'jsd', student, teacher);
    check('fewer', 'jsd', teacher, student);
    check('fewer', 'reverse-kl', teacher, student);
    const more = divergenceSync('forward-kl', { student: teacher.tensor, teacher: student.tensor });
    expect([...more.data]).toEqual([Infinity, Infinity]);
    const reverse = divergenceSync('reverse-kl', { student: student.tensor, teacher: teacher.tensor });
    expect([...reverse.data]).toEqual([Infinity, Infinity]);
    // However small the probability that the other side does not have.
    const faint = matrix(dtype, 1, 3, (_, v) => [0, 0, -1000][v]!);
    const none = matrix(dtype, 1, 3, (_, v) => [0, 0, -Infinity][v]!);
    const given = { student: none.tensor, teacher: faint.tensor };
    expect(divergenceSync('forward-kl', given).data[0]).toBe(Infinity);
    const capped = { student: { softcap: 5 }, teacher: { softcap: 5 } };
    check('capped', 'jsd', student, student, capped);
    check('capped', 'reverse-kl', teacher, student, capped);
  });

  it('shows NaN, +inf and rows of nothing in their own row only', () => {
    use(implementation);
    for (const kind of KINDS) {
      for (const bad of [Number.NaN, Infinity]) {
        const spoilt = matrix(dtype, 3, 37, (t, v) => (t === 1 && v === 35 ? bad : v / 9));
        const fine = matrix(dtype, 3, 37, (t, v) => (t === 0 ? -v / 9 : v / 9));
        for (const [student, teacher] of [
          [spoilt, fine],
          [fine, spoilt],
        ] as const) {
          const given = { student: student.tensor, teacher: teacher.tensor };
          const { value, dstudent } = divergenceWithGradientSync(kind, given);
          expect([...value.data].map(Number.isNaN)).toEqual([false, true, false]);
          expect(decode(dstudent).every((x, i) => Number.isNaN(x) === (i >= 37 && i < 74))).toBe(true);
        }
      }
      const empty = matrix(dtype, 1, 9, () => -Infinity).tensor;
      expect(divergenceSync(kind, { student: empty, teacher: empty }).data[0]).toBeNaN();
    }
  });

  it('leaves masked rows and rows of weight 0 at 0, the masked ones unread', () => {
    use(implementation);
    const logits = (shift: number) =>
      matrix(dtype, 3, 19, (t, v) => (t === 1 ? Number.NaN : Math.sin(v + shift)));
    const given = { student: logits(0).tensor, teacher: logits(1).tensor, mask: Uint8Array.of(1, 0, 9) };
    const weighted = { ...given, rowWeights: floats([-2, Number.NaN, 0]) };
    const unit = divergenceWithGradientSync('jsd', given);
    const { value, dstudent } = divergenceWithGradientSync('jsd', weighted);
    expectSameBits('value', value.data, unit.value.data);
    expect(value.data[1]).toBe(0);
    expect(value.data[2]).toBeGreaterThan(0);
    const once = decode(unit.dstudent).subarray(0, 19);
    expectSameBits(
      'twice',
      decode(dstudent).subarray(0, 19),
      once.map((g) => -2 * g),
    );
    expect(
      decode(dstudent)
        .subarray(19)
        .every((x) => x === 0),
    ).toBe(true);
  });

  it('gives the same bits in place, asynchronously and on any number of threads', async () => {
    const random = seededRandom(SEED);
    for (const kind of KINDS) {
      const student = matrix(dtype, 9, 1031, () => 3 * normal(random)).tensor;
      const teacher = matrix(dtype, 9, 1031, () => 3 * normal(random)).tensor;
      use(implementation, 1);
      const one = divergenceWithGradientSync(kind, { student, teacher });
      use(implementation, 3);
      const three = await divergenceWithGradient(kind, { student, teacher });
      expectSameBits('values', three.value.data, one.value.data);
      expectSameBits('gradients', three.dstudent.data, one.dstudent.data);
      expectSameBits('value alone', (await divergence(kind, { student, teacher })).data, one.value.data);
      const inPlace = divergenceWithGradientSync(kind, { student, teacher, dstudent: student });
      expect(inPlace.dstudent).toBe(student);
      expectSameBits('in place', student.data, one.dstudent.data);
    }
  });

  it('reads padded rows, of another length on each side', () => {
    use(implementation);
    const student = matrix(dtype, 3, 24, (t, v) => (v < 19 ? Math.sin(t + v) : Number.NaN));
    const teacher = matrix(dtype, 3, 21, (t, v) => (v < 19 ? Math.cos(t * v) : Number.NaN));
    const narrow = (of: Matrix) => matrix(dtype, 3, 19, (t, v) => rowOf(of, t)[v]!).tensor;
    const apart = divergenceWithGradientSync('jsd', {
      student: student.tensor,
      teacher: teacher.tensor,
      vocab: 19,
    });
    const dense = divergenceWithGradientSync('jsd', { student: narrow(student), teacher: narrow(teacher) });
    expectSameBits('value', apart.value.data, dense.value.data);
    for (let t = 0; t < 3; t++) {
      const row = apart.dstudent.data.subarray(24 * t, 24 * t + 19);
      expectSameBits('gradient', row, dense.dstudent.data.subarray(19 * t, 19 * t + 19));
    }
  });

  it('accepts a batch of no rows', () => {
    use(implementation);
    const none = Tensor.alloc(dtype, [0, 5]) as Tensor<FloatDType>;
    for (const kind of KINDS) {
      const result = divergenceWithGradientSync(kind, { student: none, teacher: none });
      expect(result.value.size + result.dstudent.size).toBe(0);
    }
  });
});

describe.each(IMPLEMENTATIONS)(`small and large divergences, %s (seed ${SEED})`, (implementation) => {
  it.each([1e-2, 1e-4, 1e-5])('keep their relative accuracy at a noise of %d', (noise) => {
    use(implementation);
    const random = seededRandom(SEED);
    for (const shift of [0, 1e3]) {
      const teacher = matrix('f32', 4, 3001, () => 3 * normal(random));
      const student = matrix(
        'f32',
        4,
        3001,
        (t, v) => rowOf(teacher, t)[v]! + noise * normal(random) + shift,
      );
      if (shift > 0 && noise < 1e-3) continue; // the shifted inputs no longer hold the noise
      for (const kind of KINDS) check(`noise ${noise}`, kind, student, teacher, {}, 1e-5);
      const capped = { temperature: 0.8, softcap: 10 };
      if (shift === 0)
        check('capped', 'forward-kl', student, teacher, { student: capped, teacher: capped }, 1e-4);
    }
  });

  it('agree for peaked rows and logits of +-1e4', () => {
    use(implementation);
    const random = seededRandom(SEED);
    const peaked = (at: number) => matrix('f32', 3, 500, (t, v) => (v === at + t ? 15 : normal(random)));
    for (const kind of KINDS) {
      check('peaked', kind, peaked(3), peaked(3), {}, 1e-5);
      // At the peak, s (log(s / t) - KL) is a small difference of f32 numbers around 15.
      check('apart', kind, peaked(3), peaked(100), {}, 1e-5, kind === 'forward-kl' ? 1e-5 : 1e-3);
      const huge = () => matrix('f32', 3, 500, () => random.pick([-1e4, 9990, 9998, 1e4]) + random.next());
      check('huge', kind, huge(), huge(), {}, 1e-5);
    }
  });
});

describe('the gradient of the oracle', () => {
  it.each(KINDS)('%s is its slope', (kind) => {
    const random = seededRandom(SEED);
    const student = Float64Array.from({ length: 9 }, () => normal(random));
    const teacher = Float64Array.from({ length: 9 }, () => normal(random));
    const step = 1e-5;
    const slopes = student.map((_, v) => {
      const at = (shift: number) =>
        oracleDivergence(
          kind,
          student.map((x, i) => (i === v ? x + shift : x)),
          teacher,
          0.3,
        );
      return (at(step) - at(-step)) / (2 * step);
    });
    const gradient = oracleDivergenceGradient(kind, student, teacher, 0.3);
    expectClose('slope', gradient, slopes, { absolute: 1e-9, relative: 1e-7 });
  });
});

describe('divergence refuses', () => {
  const logits = Tensor.alloc('f32', [2, 5]);
  const given = { student: logits, teacher: logits };
  const cases: [string, DivergenceKind, object, DivergenceOptions][] = [
    ['kind', 'kl' as DivergenceKind, {}, {}],
    ['student', 'jsd', { student: Tensor.alloc('i32', [2, 5]) }, {}],
    ['teacher', 'jsd', { teacher: Tensor.alloc('f32', [3, 5]) }, {}],
    ['vocab', 'jsd', { teacher: Tensor.alloc('f32', [2, 4]) }, {}],
    ['vocab', 'jsd', { vocab: 0 }, {}],
    ['mask', 'jsd', { mask: new Uint8Array(3) }, {}],
    ['options.beta', 'jsd', {}, { beta: 0 }],
    ['options.beta', 'jsd', {}, { beta: 1 }],
    ['options.beta', 'forward-kl', {}, { beta: 0.5 }],
    ['beta', 'jsd', {}, { beta: 1 - 1e-12 }],
    ['temperature', 'jsd', {}, { student: { temperature: 0 } }],
    ['softcap', 'jsd', {}, { teacher: { softcap: -1 } }],
    ['teacherTemperature', 'jsd', {}, { teacher: { temperature: 1e-42 } }],
    ['options.out', 'jsd', {}, { out: Tensor.alloc('f32', [3]) }],
    ['dstudent', 'jsd', { dstudent: Tensor.alloc('bf16', [2, 5]) }, {}],
    ['dstudent', 'jsd', { dstudent: Tensor.alloc('f32', [2, 6]) }, {}],
    ['rowWeights', 'jsd', { rowWeights: floats([1]) }, {}],
  ];
  it.each(cases)('a wrong %s for %s (%#)', (argument, kind, change, options) => {
    const call = () => divergenceWithGradientSync(kind, { ...given, ...change }, options);
    expect(call).toThrow(expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument }));
  });
});

import { describe, it } from 'vitest';
import { linearLogprobsBackwardSync, linearLogprobsSync } from '../../lib/kernels/linear-logprobs.ts';
import { Tensor } from '../../lib/kernels/tensor.ts';
import { tokenLogprobsBackwardSync, tokenLogprobsSync } from '../../lib/kernels/token-logprobs.ts';
import { seededRandom } from '../random.ts';
import { ints, matrix, normal, rowsOf } from './batches.ts';
import { expectSameBits, use, VARIANTS } from './compare.ts';
import { backward, forward, inputOf, linearCase } from './linear-problems.ts';

const SEED = 68;
const OUTPUTS = ['logp', 'lse', 'entropy'] as const;

function part(of: Tensor<'f32'>, begin: number, end: number): Tensor<'f32'> {
  return Tensor.from('f32', of.data.slice(begin, end));
}

// A log-prob is the same bits whatever it is packed with: at theta = theta_ref, S_i is 0 and not nearly 0.
describe.each(VARIANTS)(`a row computed alone, $implementation $dtype (seed ${SEED})`, (variant) => {
  const { implementation, dtype } = variant;

  it('has the bits it has in a batch: token log-probs', () => {
    use(implementation);
    const random = seededRandom(SEED);
    const rows = 11;
    for (const vocab of [1, 7, 23, 1031]) {
      const logits = matrix(dtype, rows, vocab, () => 4 * normal(random)).tensor;
      const targets = Int32Array.from({ length: rows }, (_, t) =>
        t === 5 ? -100 : random.int(0, vocab - 1),
      );
      const dlogp = Tensor.from(
        'f32',
        Float32Array.from(targets, () => normal(random)),
      );
      const batch = tokenLogprobsSync({ logits, targets: ints(targets) }, { entropy: true });
      const dlogits = tokenLogprobsBackwardSync({
        ...{ logits, targets: ints(targets), dlogp },
        ...{ logp: batch.logp, lse: batch.lse },
      });
      for (let t = 0; t < rows; t++) {
        const own = { logits: rowsOf(logits, t, t + 1), targets: ints([targets[t]!]) };
        const alone = tokenLogprobsSync(own, { entropy: true });
        for (const name of OUTPUTS) {
          expectSameBits(`V=${vocab} ${name} row ${t}`, alone[name]!.data, batch[name]!.data.slice(t, t + 1));
        }
        const { logp, lse } = alone;
        const gradient = tokenLogprobsBackwardSync({ ...own, logp, lse, dlogp: part(dlogp, t, t + 1) });
        expectSameBits(`V=${vocab} dlogits row ${t}`, gradient.data, rowsOf(dlogits, t, t + 1).data);
      }
    }
  });

  it.each([
    { rows: 61, vocab: 700, width: 37 },
    { rows: 9, vocab: 12, width: 600 },
    { rows: 430, vocab: 19, width: 5 },
  ])('has the bits it has in a batch: linear log-probs, T=$rows V=$vocab H=$width', (shape) => {
    use(implementation);
    const linear = linearCase(dtype, shape, SEED);
    const { hidden, weight, targets } = inputOf(linear);
    const batch = forward(linear);
    const { dhidden } = backward(linear);
    const dlogp = Tensor.from('f32', linear.dlogp);
    // Single rows, and a run of them that starts inside a block.
    const last = shape.rows;
    for (const [begin, end] of [
      [0, 1],
      [3, 4],
      [5, 9],
      [last - 1, last],
      [1, last],
    ] as const) {
      const own = {
        ...{ hidden: rowsOf(hidden, begin, end), weight },
        targets: ints(targets.data.slice(begin, end)),
      };
      const alone = linearLogprobsSync(own, { entropy: true });
      for (const name of OUTPUTS) {
        expectSameBits(
          `${name} rows ${begin} to ${end}`,
          alone[name]!.data,
          batch[name]!.data.slice(begin, end),
        );
      }
      const { logp, lse } = alone;
      const gradient = linearLogprobsBackwardSync({ ...own, logp, lse, dlogp: part(dlogp, begin, end) });
      expectSameBits(
        `dhidden rows ${begin} to ${end}`,
        gradient.dhidden.data,
        rowsOf(dhidden, begin, end).data,
      );
    }
  });
});

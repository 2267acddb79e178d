import { describe, it } from 'vitest';
import { linearLogprobs, linearLogprobsBackward } from '../../lib/kernels/linear-logprobs.ts';
import { objectives } from '../../lib/kernels/objectives.ts';
import {
  DIAGNOSTICS,
  type PolicyLossResult,
  policyLoss,
  policyLossSync,
} from '../../lib/kernels/policy-loss.ts';
import {
  tokenLogprobs,
  tokenLogprobsBackward,
  tokenLogprobsBackwardSync,
  tokenLogprobsSync,
} from '../../lib/kernels/token-logprobs.ts';
import { seededRandom } from '../random.ts';
import { floats, ints, matrix, normal } from './batches.ts';
import { expectSameBits, type FloatType, use, VARIANTS } from './compare.ts';
import { backward, forward, inputOf, linearCase } from './linear-problems.ts';
import { pack, randomSequences } from './sequences.ts';

const SEED = 99;

type Outputs = Record<string, Float32Array | Float64Array | Uint16Array>;

function diagnosticsOf({ diagnostics }: PolicyLossResult): Float64Array {
  return Float64Array.from(DIAGNOSTICS, (name) => diagnostics[name]);
}

/** One round of every operation; the asynchronous forms where `async`. */
function problem(dtype: FloatType) {
  const random = seededRandom(SEED);
  const logits = matrix(dtype, 70, 517, () => 3 * normal(random)).tensor;
  const targets = ints(Array.from({ length: 70 }, () => random.int(0, 516)));
  const dlogp = floats(Array.from({ length: 70 }, () => normal(random)));
  const linear = linearCase(dtype, { rows: 450, vocab: 530, width: 21 }, SEED);
  const batch = pack(
    { ...objectives.grpo(), sequenceTerm: { kind: 'square', anchor: 'ref', tau: 0.1 } },
    randomSequences(random, { count: 77 }),
  );

  function sync(): Outputs {
    const { logp, lse, entropy } = tokenLogprobsSync({ logits, targets }, { entropy: true });
    const dlogits = tokenLogprobsBackwardSync({ logits, targets, logp, lse, dlogp });
    const head = forward(linear);
    const gradients = backward(linear);
    const loss = policyLossSync(batch);
    return {
      ...{ logp: logp.data, lse: lse.data, entropy: entropy!.data, dlogits: dlogits.data },
      ...{ headLogp: head.logp.data, headLse: head.lse.data, headEntropy: head.entropy!.data },
      ...{ dhidden: gradients.dhidden.data, dweight: gradients.dweight!.data },
      ...{ lossGradient: loss.dlogp.data, diagnostics: diagnosticsOf(loss) },
    };
  }

  async function async(): Promise<Outputs> {
    const [{ logp, lse, entropy }, head, loss] = await Promise.all([
      tokenLogprobs({ logits, targets }, { entropy: true }),
      linearLogprobs(inputOf(linear), { entropy: true }),
      policyLoss(batch),
    ]);
    const [dlogits, gradients] = await Promise.all([
      tokenLogprobsBackward({ logits, targets, logp, lse, dlogp }),
      linearLogprobsBackward({
        ...inputOf(linear),
        ...{ logp: head.logp, lse: head.lse, dlogp: floats(linear.dlogp) },
      }),
    ]);
    return {
      ...{ logp: logp.data, lse: lse.data, entropy: entropy!.data, dlogits: dlogits.data },
      ...{ headLogp: head.logp.data, headLse: head.lse.data, headEntropy: head.entropy!.data },
      ...{ dhidden: gradients.dhidden.data, dweight: gradients.dweight!.data },
      ...{ lossGradient: loss.dlogp.data, diagnostics: diagnosticsOf(loss) },
    };
  }
  return { sync, async };
}

function expectSame(what: string, actual: Outputs, expected: Outputs): void {
  for (const [name, array] of Object.entries(expected))
    expectSameBits(`${what}: ${name}`, actual[name]!, array);
}

describe.each(VARIANTS)(
  `every operation, $implementation $dtype (seed ${SEED})`,
  ({ implementation, dtype }) => {
    it('gives the same bits on 1, 2, 3 and 7 threads', () => {
      const { sync } = problem(dtype);
      use(implementation, 1);
      const expected = sync();
      for (const threads of [2, 3, 7]) {
        use(implementation, threads);
        expectSame(`${threads} threads`, sync(), expected);
      }
    });

    it('gives the same bits every time, synchronous or not', async () => {
      use(implementation, 2);
      const { sync, async } = problem(dtype);
      const expected = sync();
      expectSame('again', sync(), expected);
      expectSame('asynchronous', await async(), expected);
      const many = await Promise.all([async(), async(), async()]);
      for (const outputs of many) expectSame('interleaved', outputs, expected);
    });
  },
);

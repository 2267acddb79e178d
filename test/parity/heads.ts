import { sequenceScales } from '../../lib/kernels/aggregation.ts';
import { linearLogprobsBackwardSync, linearLogprobsSync } from '../../lib/kernels/linear-logprobs.ts';
import type { LogprobOptions } from '../../lib/kernels/logprobs.ts';
import { type Objective, objectives } from '../../lib/kernels/objectives.ts';
import { policyLossSync } from '../../lib/kernels/policy-loss.ts';
import { Tensor } from '../../lib/kernels/tensor.ts';
import { tokenLogprobsBackwardSync, tokenLogprobsSync } from '../../lib/kernels/token-logprobs.ts';
import { decodeHalf } from './half.ts';
import { kernelObjective } from './kernel-objectives.ts';
import type { HeadCase, Reference } from './manifest.ts';

/** What one case gave against what torch gave. */
export interface Compared {
  output: string;
  kind: 'value' | 'gradient';
  actual: ArrayLike<number>;
  expected: ArrayLike<number>;
}

/** The loss that follows the log-probs: its value and its gradient by them. */
export type Loss = (logp: Tensor<'f32'>) => { loss: number; dlogp: Tensor<'f32'> };

function optionsOf(given: HeadCase): LogprobOptions {
  const { temperature, softcap } = given;
  return softcap === null ? { temperature } : { temperature, softcap };
}

/** Weighted log-probs of logits, and the gradient of their sum. */
export function compareToken(reference: Reference, given: HeadCase): Compared[] {
  const { dtype = 'f32', inputs, expected } = given;
  const data = reference.array(inputs.logits!, dtype === 'f32' ? 'f' : 'H');
  const logits = Tensor.from(dtype, data as never, given.shape);
  const targets = Tensor.from('i32', reference.array(inputs.targets!, 'i'));
  const options = optionsOf(given);
  const { logp, lse, entropy } = tokenLogprobsSync({ logits, targets }, { ...options, entropy: true });
  const dlogp = Tensor.from('f32', reference.array(inputs.weights!, 'f'));
  const dlogits = tokenLogprobsBackwardSync({ logits, targets, logp, lse, dlogp }, options);
  return [
    { output: 'logp', kind: 'value', actual: logp.data, expected: reference.array(expected.logp, 'd') },
    {
      output: 'entropy',
      kind: 'value',
      actual: entropy!.data,
      expected: reference.array(expected.entropy, 'd'),
    },
    {
      output: 'dlogits',
      kind: 'gradient',
      actual: decodeHalf(dlogits),
      expected: reference.array(expected.dlogits, 'd'),
    },
  ];
}

/** Hidden states through the head to log-probs, `loss` of those, and back. */
export function compareLinear(reference: Reference, given: HeadCase, loss: Loss): Compared[] {
  const { inputs, expected, shape } = given;
  const [rows, width, vocab] = shape as [number, number, number];
  const head = {
    hidden: Tensor.from('f32', reference.array(inputs.hidden!, 'f'), [rows, width]),
    weight: Tensor.from('f32', reference.array(inputs.weight!, 'f'), [vocab, width]),
    targets: Tensor.from('i32', reference.array(inputs.targets!, 'i')),
  };
  const options = optionsOf(given);
  const { logp, lse } = linearLogprobsSync(head, options);
  const { loss: value, dlogp } = loss(logp);
  const { dhidden, dweight } = linearLogprobsBackwardSync({ ...head, logp, lse, dlogp }, options);
  return [
    { output: 'logp', kind: 'value', actual: logp.data, expected: reference.array(expected.logp, 'd') },
    { output: 'loss', kind: 'value', actual: [value], expected: [expected.loss] },
    {
      output: 'dhidden',
      kind: 'gradient',
      actual: dhidden.data,
      expected: reference.array(expected.dhidden, 'd'),
    },
    {
      output: 'dweight',
      kind: 'gradient',
      actual: dweight!.data,
      expected: reference.array(expected.dweight, 'd'),
    },
  ];
}

/** Cross-entropy is rejection fine-tuning on one sequence, ignored targets left out. */
function crossEntropy(reference: Reference, given: HeadCase): Loss {
  const targets = reference.array(given.inputs.targets!, 'i');
  const mask = Uint8Array.from(targets, (target) => (target < 0 ? 0 : 1));
  const kept = mask.reduce((sum, one) => sum + one, 0);
  return (logp) => {
    const { dlogp, diagnostics } = policyLossSync({
      objective: objectives.rft(),
      cuSeqlens: Int32Array.of(0, targets.length),
      logp,
      advantages: Tensor.from('f32', Float32Array.of(1)),
      mask,
      seqScale: sequenceScales('token-mean', [kept]),
    });
    return { loss: diagnostics.loss, dlogp };
  };
}

/** GRPO's loss (or GSPO's, by the level of its ratio) of log-probs in a packed batch. */
function chunkedGrpo(reference: Reference, given: HeadCase, objective: Objective): Loss {
  const batch = given.batch!;
  const cuSeqlens = reference.array(batch.cuSeqlens, 'i');
  const mask = reference.array(batch.mask, 'B');
  const advantages = reference.array(batch.advantages, 'f');
  const lengths = Array.from(advantages, (_, i) =>
    mask.subarray(cuSeqlens[i]!, cuSeqlens[i + 1]!).reduce((sum, one) => sum + one, 0),
  );
  return (logp) => {
    const { dlogp, diagnostics } = policyLossSync({
      ...{ objective, cuSeqlens, logp, mask },
      oldLogp: Tensor.from('f32', reference.array(batch.old, 'f')),
      refLogp: Tensor.from('f32', reference.array(batch.ref, 'f')),
      advantages: Tensor.from('f32', advantages),
      seqScale: sequenceScales('seq-mean-token-mean', lengths, { countEmpty: true }),
    });
    return { loss: diagnostics.loss, dlogp };
  };
}

/** Null where the library has no objective for the case. */
function headObjective({ kind, parameters = {} }: HeadCase): Objective | null {
  if (kind !== 'chunked-grpo') return objectives.rft();
  const formula = parameters.level === 'sequence' ? 'gspo' : 'grpo';
  return kernelObjective({ source: 'TRL', formula, parameters });
}

export function supportsHead(given: HeadCase): boolean {
  return headObjective(given) !== null;
}

export function compareHead(reference: Reference, given: HeadCase): Compared[] {
  if (given.kind === 'token') return compareToken(reference, given);
  const objective = headObjective(given)!;
  const loss =
    given.kind === 'chunked-grpo' ? chunkedGrpo(reference, given, objective) : crossEntropy(reference, given);
  return compareLinear(reference, given, loss);
}

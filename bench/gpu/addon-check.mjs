// The addon on a CUDA device, run by addon.sh in the unpacked archive: every call on cuda:0 against the same call on the
// CPU. Prints "N passed, N failed".
import {
  both,
  code,
  compare,
  counts,
  DEVICE,
  expect,
  floats,
  matrix,
  normals,
  section,
  sent,
  targetsOf,
} from './addon-compare.mjs';
import { sharedWithPyTorch } from './addon-sharing.mjs';

const load = (name) => import(new URL(`dist/kernels/${name}.js`, import.meta.url));
const { cuda } = await load('cuda');
const { Tensor } = await load('tensor');
const { Stream, Event } = await load('stream');
const token = await load('token-logprobs');
const linear = await load('linear-logprobs');
const { divergence, divergenceWithGradient } = await load('divergence');
const { policyLoss } = await load('policy-loss');
const { linearPolicyLoss } = await load('linear-policy-loss');
const { objectives } = await load('objectives');
const { toBf16Array } = await load('bf16');

await section('device', () => {
  const found = cuda();
  console.log(`  ${found.object}: ${found.devices.map(({ name }) => name).join(', ') || found.reason}`);
  expect(found.devices.length > 0, `no device: ${found.reason}`);
});
if (counts.failed > 0) {
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  process.exit(1);
}

await section('copies', async () => {
  for (const [dtype, array] of Object.entries({
    f32: normals(1, 1000),
    i32: Int32Array.from({ length: 1000 }, (_, i) => i * i),
    bf16: toBf16Array(normals(2, 1000)),
    f16: Uint16Array.from({ length: 1000 }, (_, i) => i),
  })) {
    const host = Tensor.from(dtype, array, [10, 100]);
    const there = await host.to(DEVICE);
    expect(there.device === DEVICE && there.byteLength === host.byteLength, `${dtype}: on ${there.device}`);
    const back = await there.to('cpu');
    expect(
      Buffer.compare(Buffer.from(back.data.buffer), Buffer.from(array.buffer)) === 0,
      `${dtype}: there and back`,
    );
    const part = await there.slice(3, 5).to('cpu');
    expect(
      part.data.every((x, i) => x === array[300 + i]),
      `${dtype}: a slice`,
    );
    const again = await there.to(DEVICE);
    there.dispose();
    expect(
      there.disposed && (await code(() => there.to('cpu'))) === 'ERR_LAPIDARY_STATE',
      `${dtype}: disposed`,
    );
    expect(
      (await again.to('cpu')).data.every((x, i) => x === array[i]),
      `${dtype}: a copy on the device`,
    );
    again.dispose();
  }
  const zeros = await Tensor.alloc('f32', [4096], { device: DEVICE }).to('cpu');
  expect(
    zeros.data.every((x) => x === 0),
    'alloc gives zeros',
  );
});

for (const dtype of ['f32', 'bf16']) {
  await section(`token log-probs, ${dtype}`, async () => {
    for (const [rows, vocab] of [
      [9, 7],
      [9, 1000],
      [5, 4099],
    ]) {
      const what = `${rows} x ${vocab}`;
      const inputs = { logits: matrix(dtype, 5, rows, vocab, 2), targets: targetsOf(rows, vocab) };
      const forward = await both(what, token.tokenLogprobs, inputs, { entropy: true, top1: true }, 1e-5);
      const gradient = { ...inputs, logp: forward.logp, lse: forward.lse, dlogp: floats(normals(6, rows)) };
      const allowed = dtype === 'f32' ? 1e-5 : 1e-2;
      const call = async (given, options) => ({ dlogits: await token.tokenLogprobsBackward(given, options) });
      await both(`${what}, backward`, call, gradient, {}, allowed);
      const weighted = { ...inputs, rowWeights: floats(normals(7, rows)) };
      await both(`${what}, with gradient`, token.tokenLogprobsWithGradient, weighted, {}, allowed);
    }
  });

  await section(`divergence, ${dtype}`, async () => {
    const pair = { student: matrix(dtype, 8, 6, 1031), teacher: matrix(dtype, 9, 6, 1031) };
    for (const kind of ['forward-kl', 'reverse-kl', 'jsd']) {
      const value = async (given) => ({ value: await divergence(kind, given) });
      await both(kind, value, pair, {}, 1e-5);
      const call = (given) => divergenceWithGradient(kind, given);
      await both(`${kind} with gradient`, call, pair, {}, dtype === 'f32' ? 1e-5 : 1e-2);
    }
  });

  await section(`linear log-probs, ${dtype}`, async () => {
    const [rows, vocab, width] = [21, 515, 40];
    const heads = { hidden: matrix(dtype, 10, rows, width), weight: matrix(dtype, 11, vocab, width, 0.3) };
    const inputs = { ...heads, targets: targetsOf(rows, vocab) };
    const forward = await both('forward', linear.linearLogprobs, inputs, { entropy: true, top1: true }, 1e-4);
    const gradient = { ...inputs, logp: forward.logp, lse: forward.lse, dlogp: floats(normals(12, rows)) };
    const allowed = dtype === 'f32' ? 1e-4 : 1e-2;
    await both('backward', linear.linearLogprobsBackward, gradient, {}, allowed);
    const batch = {
      ...inputs,
      objective: objectives.bcpgNsa({ tau: 0.01 }),
      cuSeqlens: Int32Array.of(0, 6, 6, 14, 21),
      refLogp: floats(normals(13, rows).map((x) => x - 6)),
      advantages: floats(Float32Array.of(0.5, 0, -0.5, 1)),
      seqScale: floats(Float32Array.of(0.04, 0, 0.03, 0.03)),
    };
    const expected = await linearPolicyLoss(batch);
    const got = await linearPolicyLoss(await sent(batch));
    await compare('policy loss of a head', got, expected, allowed);
    const error = Math.abs(got.diagnostics.loss - expected.diagnostics.loss);
    expect(
      error <= 1e-4 * (1 + Math.abs(expected.diagnostics.loss)),
      `policy loss of a head: loss off by ${error}`,
    );
  });
}

await section('policy loss', async () => {
  const logp = normals(14, 4000).map((x) => -x * x);
  const near = (seed) => floats(logp.map((x, i) => x + 0.1 * normals(seed + (i % 97), 1)[0]));
  const batch = {
    cuSeqlens: Float64Array.of(0, 1000, 1000, 2500, 4000),
    logp: floats(logp),
    ...{ oldLogp: near(20), behaviourLogp: near(30), refLogp: near(40) },
    advantages: floats(Float32Array.of(0.5, 1, -0.5, 0.25)),
    seqScale: floats(Float32Array.of(1e-3, 0, 1e-3, 1e-3)),
    tokenWeights: floats(Float32Array.from(logp, (_, i) => (i % 5 === 0 ? 0.5 : 1))),
    mask: Uint8Array.from(logp, (_, i) => (i % 11 === 4 ? 0 : 1)),
  };
  for (const name of ['bcpgNsa', 'grpo', 'gspo', 'topr', 'dpo']) {
    const inputs = { ...batch, objective: objectives[name]() };
    const expected = await policyLoss(inputs);
    const got = await policyLoss(await sent(inputs));
    for (const [key, value] of Object.entries(expected.diagnostics)) {
      const error = Math.abs(got.diagnostics[key] - value);
      expect(
        error <= 1e-5 * (1 + Math.abs(value)),
        `${name}: diagnostic ${key} is ${got.diagnostics[key]}, not ${value}`,
      );
    }
    await compare(name, got, expected, 1e-6);
  }
});

await section('streams', async () => {
  const [one, two] = [new Stream({ device: DEVICE }), new Stream({ device: DEVICE })];
  const passedBy = new Event(one);
  const host = floats(normals(50, 1 << 20));
  const there = await host.to(DEVICE, { stream: one });
  passedBy.record();
  two.wait(passedBy);
  const back = await there.to('cpu', { stream: two });
  await passedBy.synchronize();
  expect(
    passedBy.query() && back.data.every((x, i) => x === host.data[i]),
    'a copy on one stream, back on another',
  );
  there.dispose();
  for (const each of [passedBy, one, two]) each.dispose();
});

await section('out of memory', async () => {
  const { total } = Stream.default(DEVICE).memoryInfo();
  const elements = Math.ceil(total / 4) + 1024;
  const answer = await code(() => Tensor.alloc('f32', [elements], { device: DEVICE }));
  expect(answer === 'ERR_LAPIDARY_MEMORY', `more than there is: ${answer}`);
  const after = await Tensor.alloc('f32', [1000], { device: DEVICE }).to('cpu');
  expect(
    after.data.every((x) => x === 0),
    'the device works on after it',
  );
});

const simulated = cuda().devices[0].name.startsWith('SIMT');
if (simulated)
  console.log('shared memory: skipped, the kernels run on the host, whose handles end with the process');
else {
  await section('memory shared with PyTorch in another process', sharedWithPyTorch);
}

console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed === 0 ? 0 : 1);

// What the addon's check on a device is made of: counts, numbers from a seed, and a call on the device beside the same
// call on the CPU.
const load = (name) => import(new URL(`dist/kernels/${name}.js`, import.meta.url));
const { Tensor } = await load('tensor');
const { toBf16Array } = await load('bf16');

export const DEVICE = 'cuda:0';
export const counts = { passed: 0, failed: 0 };

export function expect(ok, what) {
  if (ok) counts.passed += 1;
  else {
    counts.failed += 1;
    console.log(`FAILED ${what}`);
  }
}

export async function section(name, work) {
  const start = Date.now();
  try {
    await work();
  } catch (error) {
    expect(false, `${name}: ${error.code ?? error.name}: ${error.message}`);
  }
  console.log(`${name}: ${((Date.now() - start) / 1000).toFixed(1)} s`);
}

export async function code(work) {
  try {
    await work();
    return 'no error';
  } catch (error) {
    return error.code;
  }
}

/** Numbers from a seed, as sums of uniform ones. */
export function normals(seed, count, scale = 1) {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Float32Array.from({ length: count }, () => scale * 2 * (uniform() + uniform() + uniform() - 1.5));
}

export const floats = (values) => Tensor.from('f32', values);
export function matrix(dtype, seed, rows, columns, scale = 1) {
  const values = normals(seed, rows * columns, scale);
  return Tensor.from(dtype, dtype === 'bf16' ? toBf16Array(values) : values, [rows, columns]);
}
export const targetsOf = (rows, vocab) =>
  Tensor.from(
    'i32',
    Int32Array.from({ length: rows }, (_, t) => (t % 7 === 3 ? -100 : (t * 7919) % vocab)),
  );

/** Everything on the device; what is no tensor as it is. */
export async function sent(inputs) {
  const out = {};
  for (const [name, value] of Object.entries(inputs)) {
    out[name] = value instanceof Tensor ? await value.to(DEVICE) : value;
  }
  return out;
}

function number(tensor, i) {
  if (tensor.dtype !== 'bf16') return tensor.data[i];
  return new Float32Array(new Uint32Array([tensor.data[i] << 16]).buffer)[0];
}

/** Each tensor of a device's result against the CPU's, by the largest error beside the largest value. */
export async function compare(what, got, expected, allowed) {
  for (const [name, wanted] of Object.entries(expected)) {
    if (!(wanted instanceof Tensor)) continue;
    expect(got[name]?.device === DEVICE, `${what}: ${name} is on ${got[name]?.device}`);
    const back = await got[name].to('cpu');
    let worst = 0;
    let largest = 1e-30;
    for (let i = 0; i < wanted.size; i++) {
      const error = Math.abs(number(back, i) - number(wanted, i));
      worst = error <= worst ? worst : error;
      largest = Math.max(largest, Math.abs(number(wanted, i)));
    }
    expect(
      worst <= allowed * (1 + largest),
      `${what}: error of ${name} is ${worst}, beside values up to ${largest}`,
    );
    got[name].dispose();
  }
}

export async function both(what, call, inputs, options, allowed) {
  const expected = await call(inputs, options);
  await compare(what, await call(await sent(inputs), options), expected, allowed);
  return expected;
}

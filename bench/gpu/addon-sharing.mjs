// Another process with PyTorch (ipc_peer.py), and the memory that both see.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { DEVICE, expect, floats } from './addon-compare.mjs';

const { Tensor } = await import(new URL('dist/kernels/tensor.js', import.meta.url));

/** The other process ends with its input. */
async function withPeer(work) {
  const peer = spawn(process.env.PYTHON ?? 'python3', [new URL('ipc_peer.py', import.meta.url).pathname]);
  let said = '';
  peer.stderr.on('data', (part) => {
    said += part;
  });
  const lines = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the other process ended: ${said.trim().split('\n').at(-1)}`);
    return JSON.parse(value);
  };
  try {
    await work(next, (message) => peer.stdin.write(`${JSON.stringify(message)}\n`));
  } finally {
    peer.stdin.end();
  }
}

export function sharedWithPyTorch() {
  return withPeer(async (next, say) => {
    const { handle, offset, count } = await next();
    const bytes = Uint8Array.from(Buffer.from(handle, 'hex'));
    const theirs = Tensor.fromIpc({ dtype: 'f32', shape: [count], device: DEVICE, handle: bytes, offset });
    expect(
      (await theirs.to('cpu')).data.every((x, i) => x === i),
      'a tensor of PyTorch, read here',
    );
    theirs.dispose();
    const mine = Tensor.alloc('f32', [2048], { device: DEVICE, shareable: true });
    await mine.copyFrom(floats(Float32Array.from({ length: 2048 }, (_, i) => i)));
    const shared = mine.ipcHandle();
    say({ handle: Buffer.from(shared.handle).toString('hex'), offset: shared.offset, count: 2048 });
    expect((await next()).same, 'a tensor of ours, read there');
    expect(
      (await mine.to('cpu')).data.every((x, i) => x === 2 * i),
      'and written there',
    );
    mine.dispose();
  });
}

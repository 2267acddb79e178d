// Operations over logits [T, V]: the least bytes that must move, the exponentials that must run, and how close a peer
// must come to count.

const EXACT = { logp: { absolute: 1e-4 } };
const GRADIENT = { f32: 1e-4, bf16: 6e-3 };

export function tokenCases({ rows, vocab }) {
  const cases = [];
  for (const [dtype, bytes] of [
    ['f32', 4],
    ['bf16', 2],
  ]) {
    for (const logits of dtype === 'f32' ? ['random', 'peaked'] : ['random']) {
      const size = rows * vocab;
      const dataset = { family: 'token', rows, vocab, dtype, logits };
      const add = (operation, work, check) => {
        cases.push({
          dataset,
          operation,
          inputs: `${dtype}, ${logits}`,
          work,
          check,
          budget: 1,
          everyThreadCount: true,
        });
      };
      const read = bytes * size;
      add('forward', { read, exps: size }, EXACT);
      const gradient = { ...EXACT, dlogits: { relative: GRADIENT[dtype] } };
      add('forward and backward', { read, write: read, exps: size }, gradient);
      if (logits === 'peaked') continue; // the other operations differ little by their logits
      add('forward with entropy', { read, exps: size }, { ...EXACT, entropy: { absolute: 1e-3 } });
      add('divergence', { read: 2 * read, exps: 2 * size }, { divergence: { absolute: 1e-4 } });
    }
  }
  return cases;
}

// Operations over hidden states [T, H] and a head [V, H]. Useful work counts each product once: 2 T H V forward, 6 T H V
// forward and backward, 4 T H V with a frozen head; what is computed again does not count.

// PyTorch's bf16 product rounds the logits to bf16: its log-probs are off by some hundredths, and still count.
const TOLERANCE = {
  f32: { logp: { absolute: 1e-3 }, dhidden: { relative: 1e-3 }, dweight: { relative: 1e-3 } },
  bf16: { logp: { absolute: 0.15 }, dhidden: { relative: 0.03 }, dweight: { relative: 0.03 } },
};

export function linearCases({ rows, vocab, width, sequences }) {
  const cases = [];
  const product = 2 * rows * vocab * width;
  for (const dtype of ['f32', 'bf16']) {
    const dataset = { family: 'linear', rows, vocab, width, sequences, dtype };
    const { logp, dhidden, dweight } = TOLERANCE[dtype];
    // Most take several seconds on one thread: those are run at the first number of threads alone.
    const add = (operation, products, check, everyThreadCount) => {
      const work = { flops: products * product };
      cases.push({ dataset, operation, inputs: dtype, work, check, budget: 2, everyThreadCount });
    };
    add('forward', 1, { logp }, true);
    add('forward and backward', 3, { logp, dhidden, dweight }, dtype === 'f32');
    add('forward and backward, weights from S', 3, { logp, dhidden, dweight }, false);
    if (dtype === 'f32') add('forward and backward, frozen head', 2, { logp, dhidden }, false);
  }
  return cases;
}

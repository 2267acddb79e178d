import os from 'node:os';
import { parseArgs } from 'node:util';

export const USAGE = `npm run bench -- [options]
  --quick            small shapes, a few rounds: about a minute, all cores, nothing compiled by PyTorch;
                     no figure to quote
  --only NAMES       families (token, linear, policy-loss, policy) or operations, separated by commas
  --threads LIST     numbers of threads, separated by commas (default: 1 and all cores)
  --peers LIST       JavaScript, ONNX Runtime, NumPy, PyTorch, "PyTorch, kept heap", separated by semicolons; "none": no peer
  --seconds NUMBER   time for the rounds of one case (default 4; twice that where matrices are multiplied)
  --json FILE        where the results go (default bench/results/latest.json)`;

const FULL = {
  token: { rows: 512, vocab: 151936 },
  linear: { rows: 512, vocab: 151936, width: 1024, sequences: 4 },
  'policy-loss': { tokens: 2 ** 24, sequences: 4096 },
  ceilings: { mebibytes: 512, passes: 12, size: 2048 },
  measure: { seconds: 4, rounds: 15 },
};
const QUICK = {
  token: { rows: 64, vocab: 32000 },
  linear: { rows: 64, vocab: 32000, width: 256, sequences: 4 },
  'policy-loss': { tokens: 2 ** 20, sequences: 256 },
  ceilings: { mebibytes: 128, passes: 3, size: 768 },
  measure: { seconds: 0.2, rounds: 4 },
};

export function readOptions(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      threads: { type: 'string' },
      peers: { type: 'string' },
      seconds: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const sizes = structuredClone(values.quick ? QUICK : FULL);
  if (values.seconds) sizes.measure.seconds = Number(values.seconds);
  const cores = os.availableParallelism();
  const threads = values.threads?.split(',').map(Number) ?? (values.quick ? [cores] : [cores, 1]);
  if (!threads.every((count) => Number.isInteger(count) && count > 0) || !(sizes.measure.seconds > 0)) {
    throw new Error(`--threads and --seconds take positive numbers\n${USAGE}`);
  }
  return {
    ...{ help: values.help, quick: values.quick, json: values.json, sizes },
    threads: [...new Set(threads)],
    only: values.only?.split(',') ?? null,
    peers: values.peers === 'none' ? [] : (values.peers?.split(';') ?? null),
  };
}

// A synthesised set the size of the paper's (66,208 rollouts, 470 M tokens; arXiv 2505.14403) through label and pack,
// one rollout in memory at a time. Prints the rate and the peak of the resident set; fails at 1 GB or more.
// node bench/stream.mjs [--tokens N]    (after npm run build)
import { parseArgs } from 'node:util';
import { groupBaselines, labelStream } from '../dist/label/label-stream.js';
import { packStream } from '../dist/label/pack-stream.js';

const { values } = parseArgs({ options: { tokens: { type: 'string', default: '470000000' } } });
const TOKENS = Number(values.tokens);
const MEAN = 7099;
const GROUP = 32;
const count = Math.max(GROUP, Math.round(TOKENS / MEAN / GROUP) * GROUP);
const LIMIT = 1e9;

const verdictOf = (i) => ((i * 2654435761) % 1000 < 775 ? 'right' : 'wrong');
const head = (i) => ({
  ...{ rollout_id: `r${i}`, prompt_id: `p${Math.floor(i / GROUP)}`, iteration: 0, response_text: '' },
  ...{ group_id: `g${Math.floor(i / GROUP)}`, group_index: i % GROUP, verdict: verdictOf(i) },
  sampler: { engine: 'synthetic', model: 'none' },
});

function* heads() {
  for (let i = 0; i < count; i++) yield head(i);
}

/** Lists of the kind that a JSON or Parquet row gives, made anew for each rollout. */
function* judged() {
  for (let i = 0; i < count; i++) {
    const length = Math.round(MEAN * (0.5 + ((i * 40503) % 1001) / 1000));
    const response_ids = new Array(length);
    const logprobs = new Array(length);
    for (let t = 0; t < length; t++) {
      response_ids[t] = (i + t * 31) % 151936;
      logprobs[t] = -((t * 7919) % 1000) / 500;
    }
    const stepLength = 400;
    const steps = Array.from({ length: Math.ceil(length / stepLength) }, (_, k) => ({
      ...{ rollout_id: `r${i}`, segmenter_id: 's', k, char_start: k, char_end: k + 1 },
      ...{ token_start: k * stepLength, token_end: Math.min(length, (k + 1) * stepLength) },
    }));
    const labels = steps.map((_, k) => ((i + k) % 4 === 0 ? 'right' : 'wrong'));
    const prompt_ids = new Array(120).fill(7);
    const rollout = {
      ...head(i),
      prompt_ids,
      response_ids,
      behavior_logprobs: logprobs,
      ref_logprobs: logprobs,
    };
    yield { rollout, steps, labels };
  }
}

const started = performance.now();
const baselines = await groupBaselines(heads());
let [tokens, batches, rows, relieved] = [0, 0, 0, 0];
for await (const batch of packStream(labelStream(judged(), { baselines, beta: 0.5 }), {
  maxTokens: 131072,
})) {
  batches += 1;
  rows += batch.rolloutIds.length;
  for (const length of batch.lengths) tokens += length;
  for (const weight of batch.tokenWeights) if (weight !== 1) relieved += 1;
}
const seconds = (performance.now() - started) / 1000;
const peak = process.resourceUsage().maxRSS * 1024;
console.log(
  `${count} rollouts, ${rows} trained on, ${tokens} tokens in ${batches} batches, ${relieved} relieved; ` +
    `${seconds.toFixed(1)} s, ${(tokens / seconds / 1e6).toFixed(1)} M tokens/s, peak RSS ${(peak / 1e6).toFixed(0)} MB`,
);
if (peak >= LIMIT) {
  console.error(`peak RSS is ${peak} bytes; expected less than ${LIMIT}`);
  process.exitCode = 1;
}

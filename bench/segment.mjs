// Prints how fast the rule segmenter is on the real rollouts, and on one response of 22,000 tokens made of them, which
// is the longest that the paper samples. Needs `npm run build`. There are no token ids in those files, so a token is
// what a pattern like those of today's tokenizers cuts off: a word with its space, up to three digits, a run of signs.
import { readFileSync } from 'node:fs';
import { RuleSegmenter } from '../dist/segment/rule-segmenter.js';
import { tokenOwners } from '../dist/segment/token-owners.js';

const FILE = new URL('../examples/rollouts-real/rollouts.jsonl', import.meta.url);
const TOKEN = / ?\p{L}+| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+/gu;
const LONG = 22_000;
const ROUNDS = 5;

const responses = readFileSync(FILE, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line).response);

/** Pieces as a tokenizer of their own: the ids are their places in the list. */
function tokenized(text) {
  const pieces = (text.match(TOKEN) ?? []).map((piece) => Buffer.from(piece));
  return { ids: pieces.map((_, id) => id), tokenizer: { bytesOf: (id) => pieces[id] } };
}

/** The least seconds of some rounds. */
function seconds(work) {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    work();
    best = Math.min(best, Number(process.hrtime.bigint() - start) / 1e9);
  }
  return best;
}

/** Text of about this many tokens, of whole responses and the beginning of one. */
function longResponse(tokens) {
  const pieces = responses.join('\n\n').match(TOKEN) ?? [];
  return pieces.slice(0, tokens).join('');
}

const texts = {
  'all responses': responses,
  [`one of ${LONG.toLocaleString('en')} tokens`]: [longResponse(LONG)],
};
for (const [name, list] of Object.entries(texts)) {
  const tokens = list.map(tokenized);
  const count = tokens.reduce((sum, { ids }) => sum + ids.length, 0);
  const chars = list.reduce((sum, text) => sum + text.length, 0);
  console.log(
    `${name}: ${list.length} responses, ${count.toLocaleString('en')} tokens, ${chars.toLocaleString('en')} characters`,
  );
  const owners = list.map((text, i) => tokenOwners(text, tokens[i].ids, tokens[i].tokenizer));
  const cases = {
    paragraph: { unit: 'paragraph' },
    sentence: { unit: 'sentence', minChars: 1 },
    'paragraph, at most 200 tokens': { unit: 'paragraph', maxTokens: 200 },
    'about 20 steps': { unit: 'paragraph', targetSteps: 20 },
  };
  const report = (label, time, steps) =>
    console.log(
      `  ${label.padEnd(30)} ${(time * 1000).toFixed(1).padStart(8)} ms ${(count / time / 1e6).toFixed(2).padStart(7)} M tokens/s${steps}`,
    );
  for (const [label, options] of Object.entries(cases)) {
    const segmenter = new RuleSegmenter(options);
    let steps = 0;
    const time = seconds(() => {
      steps = 0;
      for (const [i, text] of list.entries()) steps += segmenter.segment(text, owners[i]).length;
    });
    report(label, time, `  ${steps.toLocaleString('en')} steps`);
  }
  const time = seconds(() => {
    for (const [i, text] of list.entries()) tokenOwners(text, tokens[i].ids, tokens[i].tokenizer);
  });
  report('token map', time, '');
}

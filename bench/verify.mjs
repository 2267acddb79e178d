// How many of the pairs in test/verify/answer-pairs.json are found, and how many of their near misses are rejected,
// by the rules alone and with the symbolic engine. Run after `npm run build`: node bench/verify.mjs [--list]
import { readFileSync } from 'node:fs';
import { ComputeEngineSymbolic } from '../dist/verify/symbolic-engine.js';
import { verifyAnswer } from '../dist/verify/verify-answer.js';
import { verifyAnswerWith } from '../dist/verify/verify-answer-with.js';
import { nearMisses } from '../test/verify/near-misses.mjs';

const rows = JSON.parse(readFileSync(new URL('../test/verify/answer-pairs.json', import.meta.url), 'utf8'));
const field = (answer) => `{"answer": ${JSON.stringify(answer)}}`;
const questions = { pairs: [], misses: [] };
for (const { type, gold, given, same = [] } of rows) {
  questions.pairs.push(...given.map((text) => ({ type, gold, text })));
  const misses = new Set(given.flatMap((text) => nearMisses(text, { type }).map((miss) => miss.text)));
  questions.misses.push(
    ...[...misses].filter((text) => !same.includes(text)).map((text) => ({ type, gold, text })),
  );
}

const engine = new ComputeEngineSymbolic();
const methods = {
  'rules alone': (gold, text) => verifyAnswer(field(text), gold),
  'with the engine': (gold, text) => verifyAnswerWith(field(text), gold, engine),
};

async function measure(decide, list) {
  const counts = { right: 0, wrong: 0, unknown: 0 };
  const rules = {};
  const start = performance.now();
  for (const { gold, text } of list) {
    const { verdict, rule } = await decide(gold, text);
    counts[verdict]++;
    const key = `${verdict} by ${rule}`;
    rules[key] = (rules[key] ?? 0) + 1;
  }
  return { counts, rules, seconds: (performance.now() - start) / 1000 };
}

// The engine's first question waits for it to load.
await engine.equal('2\\sqrt2', '\\sqrt8');
console.log('| | of | right | wrong | unknown | seconds |\n| --- | --- | --- | --- | --- | --- |');
for (const [name, decide] of Object.entries(methods)) {
  for (const [kind, list] of Object.entries(questions)) {
    const { counts, rules, seconds } = await measure(decide, list);
    const label = kind === 'pairs' ? 'equal pairs' : 'near misses';
    const { right, wrong, unknown } = counts;
    console.log(
      `| ${label}, ${name} | ${list.length} | ${right} | ${wrong} | ${unknown} | ${seconds.toFixed(1)} |`,
    );
    if (process.argv.includes('--list')) {
      for (const [rule, count] of Object.entries(rules).sort(([, a], [, b]) => b - a))
        console.log(`    ${count} ${rule}`);
    }
  }
}

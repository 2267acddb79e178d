// Prints results files again: `node bench/show.mjs FILE...` all of them, with `--summary` the README's table, in
// which an operation is as the last file has it.
import { readFileSync } from 'node:fs';
import { markdown, percent, table } from './report.mjs';

const TITLES = {
  forward: 'log-probs',
  'forward with entropy': 'log-probs and entropy',
  'forward and backward': 'log-probs and gradient',
  divergence: 'divergence and gradient',
};
const LINEAR_TITLES = {
  forward: 'linear log-probs',
  'forward and backward': 'linear log-probs and gradients',
  'forward and backward, weights from S': 'the same, weights from S',
  'forward and backward, frozen head': 'the same, head frozen',
};

const title = ({ operation, inputs }) =>
  (inputs.includes('random') ? TITLES : LINEAR_TITLES)[operation] ?? `${operation}, loss and gradient`;

/** The fastest form of each operation and type, with all threads. */
function fastest({ rows }) {
  const threads = Math.max(...rows.map((row) => row.threads));
  const best = new Map();
  for (const row of rows) {
    if (row.threads !== threads || row.inputs.includes('peaked')) continue;
    const key = `${title(row)}|${row.inputs.startsWith('bf16') ? 'bf16' : 'f32'}`;
    if (!(best.get(key)?.seconds <= row.seconds)) best.set(key, row);
  }
  return best;
}

function cell(row) {
  if (row === undefined) return ['–', '–', '–'];
  const { seconds, share, peer } = row;
  const ms = seconds < 0.1 ? (seconds * 1e3).toFixed(1) : (seconds * 1e3).toFixed(0);
  return [ms, percent(share), peer ? `${peer.ratio.toFixed(1)}× ${peer.name}` : '–'];
}

/** The table of the README. */
function summary(reports) {
  const best = new Map(reports.flatMap((report) => [...fastest(report)]));
  const operations = [...new Set([...best.keys()].map((key) => key.split('|')[0]))];
  const header = ['', 'f32, ms', 'of ceiling', 'best peer', 'bf16, ms', 'of ceiling', 'best peer'];
  const rows = operations.map((name) => [
    name,
    ...cell(best.get(`${name}|f32`)),
    ...cell(best.get(`${name}|bf16`)),
  ]);
  return table(header, rows);
}

const given = process.argv.slice(2);
const files = given.filter((arg) => arg !== '--summary');
const reports = files.map((file) => JSON.parse(readFileSync(file, 'utf8')));
console.log(given.includes('--summary') ? summary(reports) : reports.map(markdown).join('\n\n'));

// npm run bench: the kernels against the ceilings of this machine and against other libraries, in one run. See
// bench/README.md for what is measured and how to read it.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { devices } from '../dist/index.js';
import { linearCases } from './cases/linear.mjs';
import { policyLossCases } from './cases/policy-loss.mjs';
import { tokenCases } from './cases/token.mjs';
import { buildCeilings, ceilingOf, nativeCeilings, peerCeilings } from './ceilings.mjs';
import { removeInputs, writeInputs } from './inputs.mjs';
import { machine } from './machine.mjs';
import { measureCase } from './measure.mjs';
import { readOptions, USAGE } from './options.mjs';
import { startProviders } from './peers/providers.mjs';
import { benchPolicy } from './policy.mjs';
import { markdown, summarise } from './report.mjs';

const options = readOptions(process.argv.slice(2));
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}
const { sizes, threads } = options;
const wanted = (...names) => options.only === null || names.some((name) => options.only.includes(name));
const progress = (text) => console.error(`[${Math.round(performance.now() / 1000)} s] ${text}`);

/** Has every provider load a dataset. A peer that fails to is left out of its cases; the library must not fail. */
async function load(dataset, { library, peers }) {
  const pages = {}; // by provider, with the inputs in memory
  for (const provider of [library, ...peers]) {
    provider.operations = {};
    try {
      provider.operations = (await provider.ask('load', { dataset })).operations;
      pages[provider.name] = await provider.ask('pages');
    } catch (error) {
      if (provider === library) throw error;
      progress(`${error.message}; left out here`);
    }
  }
  return pages;
}

/** Runs the cases of one dataset at every number of threads; the inputs are in memory for as long as that. */
async function measureDataset(cases, providers) {
  const pages = await load(writeInputs(cases[0].dataset), providers);
  const results = [];
  for (const count of threads) {
    const present = [providers.library, ...providers.peers].filter(({ ended }) => !ended);
    for (const provider of present) await provider.ask('threads', { threads: count });
    for (const each of cases) {
      if (count !== threads[0] && !each.everyThreadCount) continue;
      progress(`${each.operation}, ${each.inputs}, ${count} threads`);
      const { seconds, rounds } = sizes.measure;
      const limits = { seconds: seconds * each.budget, rounds };
      const result = await measureCase(each, providers.library, providers.peers, limits);
      results.push({ ...each, threads: count, pages, ...(result ?? { ours: [], peers: [] }) });
    }
  }
  removeInputs();
  return results;
}

async function measureAll(providers) {
  const groups = new Map(); // cases by dataset
  const make = { token: tokenCases, linear: linearCases, 'policy-loss': policyLossCases };
  for (const [family, cases] of Object.entries(make)) {
    for (const each of cases(sizes[family])) {
      if (!wanted(family, each.operation)) continue;
      const dataset = JSON.stringify(each.dataset);
      each.key = `${dataset} ${each.operation}`;
      groups.set(dataset, [...(groups.get(dataset) ?? []), each]);
    }
  }
  const results = [];
  for (const cases of groups.values()) results.push(...(await measureDataset(cases, providers)));
  return results;
}

function failuresOf(results) {
  const missing = results.filter(({ ours }) => ours.length === 0).map(({ operation }) => operation);
  const absent = [...new Set(missing)].map((operation) => `${operation}: not an operation of this build`);
  const failed = results.flatMap(({ operation, inputs, threads: count, ours, peers }) =>
    [...ours, ...peers]
      .filter(({ right }) => !right)
      .map(({ name, variant, failure, errors }) => {
        const reason = failure ?? `wrong answer (${JSON.stringify(errors)})`;
        return `${name}, ${variant}, ${operation}, ${inputs}, ${count} threads: ${reason}`;
      }),
  );
  return [...absent, ...failed];
}

/** Results as plain data: providers are left out. */
const plain = (results) =>
  results.map(({ ours, peers, ...rest }) => {
    const bare = ({ provider, ...contestant }) => contestant;
    return { ...rest, ours: ours.map(bare), peers: peers.map(bare) };
  });

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    removeInputs();
    process.exit(1);
  });
}

async function main() {
  const about = machine();
  progress('building the ceilings');
  buildCeilings();
  const providers = await startProviders(options.peers, options.quick);
  const running = [providers.library, ...providers.peers];
  try {
    progress('ceilings');
    const before = nativeCeilings(threads, sizes.ceilings);
    const products = await peerCeilings(providers.peers, threads, sizes.ceilings.size);
    const results = await measureAll(providers);
    progress('ceilings again');
    const after = nativeCeilings(threads, sizes.ceilings);
    const productsAfter = await peerCeilings(providers.peers, threads, sizes.ceilings.size);
    const ceilings = threads.map((count, i) => {
      const reached = results.filter((result) => result.threads === count);
      return {
        threads: count,
        ...ceilingOf([before[i], after[i]], [products[i], productsAfter[i]], reached),
      };
    });
    progress('the built-in policy');
    const policy = wanted('policy') ? await benchPolicy() : null;
    const rows = results.flatMap((result) =>
      summarise(
        result,
        ceilings.find((ceiling) => ceiling.threads === result.threads),
      ),
    );
    const { rows: t, vocab, width } = sizes.linear;
    const { tokens, sequences } = sizes['policy-loss'];
    const shapes = `T = ${t}, V = ${vocab}, H = ${width}; policy loss over ${tokens} tokens of ${sequences} sequences`;
    const summary = {
      quick: options.quick,
      machine: about,
      library: { ...devices()[0], addon: undefined }, // a path of this machine
      versions: providers.versions,
    };
    Object.assign(summary, { shapes, ceilings, rows, failures: failuresOf(results), policy });
    const measured = { native: { before, after }, peers: { before: products, after: productsAfter } };
    return { ...summary, measured, results: plain(results) };
  } finally {
    removeInputs();
    await Promise.all(running.map((provider) => provider.close()));
  }
}

const report = await main();
const here = path.dirname(fileURLToPath(import.meta.url));
const file = options.json ?? path.join(here, 'results', options.quick ? 'quick.json' : 'latest.json');
mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
progress(`written to ${path.relative('.', file)}`);
console.log(markdown(report));

// The results as Markdown tables.
import { floorSeconds } from './ceilings.mjs';

export const percent = (value) => `${(100 * value).toFixed(0)} %`;
const milliseconds = (seconds) => (seconds < 0.1 ? (seconds * 1e3).toFixed(2) : (seconds * 1e3).toFixed(0));
const mebibytes = (bytes) =>
  bytes === null || bytes === undefined ? '–' : `${Math.round(bytes / 2 ** 20)} MiB`;

export function table(header, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

function rate({ read = 0, write = 0, flops = 0 }, seconds) {
  return flops > 0
    ? `${(flops / seconds / 1e9).toFixed(0)} GFLOP/s`
    : `${((read + write) / seconds / 1e9).toFixed(1)} GB/s`;
}

/** The fastest peer that gave the right answer. */
export function bestPeer({ peers }) {
  return peers.filter(({ seconds }) => seconds > 0).sort((a, b) => a.seconds - b.seconds)[0];
}

/** A kept heap hides what a call takes: the same variant's figure in the ordinary process says it. */
function peerBytes({ peers }, peer) {
  const plain = peers.find(({ name, variant }) => name === 'PyTorch' && variant === peer.variant);
  return peer.name === 'PyTorch, kept heap' ? plain?.bytes : peer.bytes;
}

/** One row for each variant of the library that gave the right answer. */
export function summarise(result, ceiling) {
  const floor = floorSeconds(result.work, ceiling);
  const peer = bestPeer(result);
  return result.ours
    .filter(({ seconds }) => seconds > 0)
    .map(({ variant, seconds, bytes }) => ({
      ...{
        threads: result.threads,
        operation: result.operation,
        inputs: result.inputs,
        variant,
        seconds,
        bytes,
      },
      ...{ rate: rate(result.work, seconds), floor, share: floor / seconds },
      peer: peer && {
        ...{ name: peer.name, variant: peer.variant, seconds: peer.seconds, share: floor / peer.seconds },
        ...{ ratio: peer.seconds / seconds, bytes: peerBytes(result, peer), errors: peer.errors },
      },
    }));
}

function operationRow({ operation, inputs, variant, seconds, bytes, rate: speed, share, peer }) {
  const ours = [operation, inputs, variant, milliseconds(seconds), speed, percent(share)];
  if (!peer) return [...ours, '–', '–', '–', '–', mebibytes(bytes)];
  const theirs = [`${peer.name}: ${peer.variant}`, milliseconds(peer.seconds), percent(peer.share)];
  return [...ours, ...theirs, `${peer.ratio.toFixed(1)}×`, `${mebibytes(bytes)} / ${mebibytes(peer.bytes)}`];
}

const giga = (value) => (value > 0 ? (value / 1e9).toFixed(1) : '–');

/** Pairs are 4 KiB / 2 MiB pages. */
function ceilingsTable(ceilings) {
  const pair = ({ pages4KiB, pages2MiB }, rate) => `${giga(pages4KiB[rate])} / ${giga(pages2MiB[rate])}`;
  const memory = ['read', 'write', 'copy', 'firstTouch'];
  return table(
    [
      ...['threads', 'read, GB/s', 'write', 'copy (read + written)', 'first touch', 'exp, G/s'],
      ...[
        'f32 product, GFLOP/s',
        'bf16 product',
        'best product of any operation',
        'multiply-add in registers',
      ],
    ],
    ceilings.map(({ threads, memory: rates, exps, products, flops, multiplyAdd }) => [
      ...[threads, ...memory.map((rate) => pair(rates, rate)), giga(exps)],
      ...[products.f32, products.bf16, flops, multiplyAdd].map(giga),
    ]),
  );
}

/** What makes the figures of a run doubtful. */
function warnings({ machine, measured }) {
  const lines = [];
  if (machine.loadBefore > 0.5) {
    lines.push(`The machine was busy before the run began (load ${machine.loadBefore.toFixed(1)}).`);
  }
  const { before, after } = measured.native;
  before.forEach(({ threads, pages2MiB: { read } }, i) => {
    const change = after[i].pages2MiB.read / read;
    if (change > 1.2 || change < 1 / 1.2) {
      lines.push(
        `At ${threads} threads the read rate changed by a factor of ${change.toFixed(2)} during the run.`,
      );
    }
  });
  return lines;
}

/** The least and the most of the library's process that lay in 2 MiB pages, over the data sets. */
function hugeShares(results) {
  const shares = results
    .map(({ pages }) => pages.Lapidary.huge / pages.Lapidary.resident)
    .filter(Number.isFinite);
  if (shares.length === 0) return 'pages unknown';
  const [least, most] = [Math.min(...shares), Math.max(...shares)].map(percent);
  return `${least === most ? most : `${least} to ${most}`} of the library's memory in 2 MiB pages`;
}

const HEADER = [
  ...['operation', 'inputs', 'form', 'ms', 'rate', 'of ceiling', 'best peer', 'ms', 'of ceiling'],
  ...['times faster', 'memory: ours / peer'],
];

function policyLines(policy) {
  return Object.entries(policy ?? {}).map(([name, value]) => `- ${name}: ${Math.round(value)} tokens/s`);
}

/** Everything that was measured, for a terminal or a README. */
export function markdown(report) {
  const { machine, library, versions, shapes, ceilings, rows, failures, policy, quick } = report;
  const lines = warnings(report).map((warning) => `${warning}\n`);
  if (quick) lines.push('Small shapes, few rounds: a check that the benchmark runs, not figures to quote.\n');
  lines.push(
    `${machine.cpu}${machine.virtual ? ' (virtual)' : ''}, ${machine.cores} cores, ${machine.memory}, ` +
      `Node ${machine.node}, revision ${machine.revision}; instruction set ${library.implementation}; ` +
      `huge pages "${machine.transparentHugePages}", ${hugeShares(report.results)}; ` +
      `${
        Object.entries(versions)
          .map(([name, version]) => `${name} ${version}`)
          .join(', ') || 'no peers'
      }.`,
    `Shapes: ${shapes}.\n`,
    'Ceilings; pairs are 4 KiB / 2 MiB pages:\n',
    ceilingsTable(ceilings),
  );
  for (const threads of new Set(rows.map((row) => row.threads))) {
    const some = rows.filter((row) => row.threads === threads);
    lines.push(
      `\n${threads} ${threads === 1 ? 'thread' : 'threads'}:\n`,
      table(HEADER, some.map(operationRow)),
    );
  }
  if (policy) lines.push('\nBuilt-in policy, all cores:\n', ...policyLines(policy));
  if (failures.length > 0) lines.push('\nLeft out:\n', ...failures.map((failure) => `- ${failure}`));
  return lines.join('\n');
}

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { readManifest } from '../run/run-directory.ts';
import { formatTable } from '../run/table.ts';
import { parseArguments } from './arguments.ts';

/** What a run directory holds: its stages with their counts and places, and the report of the run. */
export async function show(args: string[]): Promise<void> {
  const { positionals, json } = parseArguments(args, ['json'], 1);
  const root = positionals[0]!;
  const manifest = readManifest(root);
  if (json) {
    process.stdout.write(`${JSON.stringify(manifest, null, 2)}\n`);
    return;
  }
  const {
    status,
    started_at: started,
    ended_at: ended,
    lapidary,
    machine,
    stages,
    result_sha256: hash,
  } = manifest;
  const lines = [
    `${root}: ${status}, started ${started}, ended ${ended ?? '-'}`,
    `lapidary ${lapidary}, Node ${manifest.node}, ${machine.cpu ?? 'unknown CPU'}, ${machine.cores} core(s)`,
    `result ${hash}`,
    '',
    formatTable(
      ['stage', 'seconds', 'directory', 'counts'],
      stages.map(({ title, seconds, directory, counts, partial }) => [
        partial === true ? `${title} (partial)` : title,
        seconds.toFixed(1),
        directory,
        briefly(counts),
      ]),
    ),
  ];
  const report = path.join(root, 'report.txt');
  if (existsSync(report)) lines.push('', readFileSync(report, 'utf8').trimEnd());
  process.stdout.write(`${lines.join('\n')}\n`);
}

function briefly(counts: object): string {
  return Object.entries(counts)
    .filter(([, value]) => typeof value !== 'object')
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

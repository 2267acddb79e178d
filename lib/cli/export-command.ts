import path from 'node:path';
import { EXPORT_FORMATS, type ExportFormat } from '../data/export-rows.ts';
import { LapidaryError } from '../errors.ts';
import { exportRun } from '../run/export-run.ts';
import { loadConfig } from '../run/load-config.ts';
import { streamProgress } from '../run/progress.ts';
import { interruptSignal, parseArguments } from './arguments.ts';

/** The labelled set in the form of another trainer, in the run directory. */
export async function exportCommand(args: string[]): Promise<void> {
  const { positionals, out, set, format } = parseArguments(args, ['out', 'set', 'format'], 1);
  if (!(EXPORT_FORMATS as readonly (string | undefined)[]).includes(format)) {
    const problem = `--format: got ${format ?? 'nothing'}; expected ${EXPORT_FORMATS.join(', ')}`;
    throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: 'format' });
  }
  const config = loadConfig(positionals[0]!, set);
  const root = out ?? path.join('runs', config.name);
  const progress = streamProgress(process.stderr);
  const { file, rows } = await exportRun(config, format as ExportFormat, {
    out: root,
    progress,
    signal: interruptSignal(),
  });
  process.stdout.write(`${rows} rows in ${file}\n`);
}

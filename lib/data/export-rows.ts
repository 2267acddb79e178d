import { LapidaryError } from '../errors.ts';
import { exportPrimeRl } from './export-prime-rl.ts';
import type { ExportSource } from './export-source.ts';
import { exportTrlKto, exportTrlStepwise } from './export-trl.ts';
import { exportVerl } from './export-verl.ts';

const EXPORTERS = {
  'trl-stepwise': exportTrlStepwise,
  'trl-kto': exportTrlKto,
  verl: exportVerl,
  'prime-rl': exportPrimeRl,
} as const satisfies Record<string, (source: ExportSource) => Iterable<object>>;

export type ExportFormat = keyof typeof EXPORTERS;
export const EXPORT_FORMATS = Object.keys(EXPORTERS) as ExportFormat[];

/**
 * The rows that are trained on, in the form of another trainer, one at a time; writeJsonlAtomic writes them. Throws
 * ERR_LAPIDARY_ARGUMENT for an unknown format, and ERR_LAPIDARY_DATA, while iterating, for tables that do not fit
 * together.
 */
export function exportRows(format: ExportFormat, source: ExportSource): Iterable<object> {
  if (!Object.hasOwn(EXPORTERS, format)) {
    const problem = `exportRows: format: is ${JSON.stringify(format)}; expected one of ${EXPORT_FORMATS.join(', ')}`;
    throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: 'format' });
  }
  return EXPORTERS[format](source);
}

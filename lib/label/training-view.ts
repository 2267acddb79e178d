import type { TrainRow } from '../data/records.ts';

/** The rows that are trained on. The others stay in the table and say in drop_reason why they are left out. */
export function trainingView(rows: readonly TrainRow[]): TrainRow[] {
  return rows.filter((row) => row.drop_reason === null);
}

/** |a - b| / |b| over whole vectors; where b is all 0, the largest |a|. NaN anywhere gives NaN. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.NaN;
  let difference = 0;
  let size = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return Math.sqrt(size === 0 ? difference : difference / size);
}

/** The largest error of an element, as a share of the largest expected element. */
export function largestError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < b.length; i++) {
    const error = Math.abs(a[i]! - b[i]!);
    if (!(error <= difference)) difference = error;
    size = Math.max(size, Math.abs(b[i]!));
  }
  return size === 0 ? difference : difference / size;
}

interface Row {
  formula: string;
  source: string;
  note: string;
  cases: number;
  value: number;
  gradient: number;
}

/** What was compared, one line per formula: cases, and the largest relative errors of value and gradient. */
export class ErrorTable {
  readonly #rows = new Map<string, Row>();

  add(formula: string, source: string, note: string, value: number, gradient: number): void {
    const key = `${source}: ${formula}`;
    const row = this.#rows.get(key) ?? { formula, source, note, cases: 0, value: 0, gradient: 0 };
    row.cases += 1;
    row.value = Math.max(row.value, value);
    row.gradient = Math.max(row.gradient, gradient);
    this.#rows.set(key, row);
  }

  toString(): string {
    const header = ['formula', 'source', 'cases', 'value error', 'gradient error', 'note'];
    const rows = [...this.#rows.values()].map((row) => [
      ...[row.formula, row.source, String(row.cases)],
      ...[row.value.toExponential(1), row.gradient.toExponential(1), row.note],
    ]);
    const widths = header.map((_, i) => Math.max(...[header, ...rows].map((row) => row[i]!.length)));
    return [header, ...rows]
      .map((row) =>
        row
          .map((cell, i) => cell.padEnd(widths[i]!))
          .join('  ')
          .trimEnd(),
      )
      .join('\n');
  }
}

import { type AnswerForm, MAX_PARTS } from './answer-form.ts';
import { ROW_BREAK } from './normalize.ts';

type Read = (text: string) => AnswerForm;

const MATRIX =
  /^[([]?\\begin\{(?:[pbB]?matrix|smallmatrix|array\}\{[^{}]{0,40})\}(.*)\\end\{(?:[pbB]?matrix|smallmatrix|array)\}[)\]]?$/s;

/** A matrix in any brackets but bars, which make it a determinant. */
export function readMatrix(text: string, read: Read): AnswerForm | null {
  const body = MATRIX.exec(text)?.[1];
  if (body === undefined || body.includes('\\begin')) return null;
  const rows = rowsOf(body).map((row) => row.split('&').map((cell) => cell.trim()));
  const width = rows[0]!.length;
  if (rows.length * width > MAX_PARTS || rows.some((row) => row.length !== width)) return null;
  return { kind: 'matrix', text, rows: rows.map((row) => row.map(read)) };
}

const SYSTEM =
  /^\\(?:\{|lbrace)?\{?\\begin\{(?:cases|aligned|array\}\{[^{}]{0,40})\}(.*)\\end\{(?:cases|aligned|array)\}$/s;

/** A system of equations in a brace. Rows that are not relations (a function by cases) are not read. */
export function readSystem(text: string, read: Read): AnswerForm | null {
  const body = (SYSTEM.exec(text) ??
    /^\{?\\begin\{(?:cases|aligned)\}(.*)\\end\{(?:cases|aligned)\}$/s.exec(text))?.[1];
  if (body === undefined) return null;
  const parts = rowsOf(body).map((row) => read(row.replaceAll('&', '').replace(/[,;]$/, '')));
  if (parts.length > MAX_PARTS || parts.some((part) => part.kind !== 'relation')) return null;
  return { kind: 'group', text, brackets: '', joiner: 'and', parts };
}

function rowsOf(body: string): string[] {
  const rows = body.split(ROW_BREAK).map((row) => row.replace(/\\hline/g, '').trim());
  return rows.at(-1) === '' ? rows.slice(0, -1) : rows;
}

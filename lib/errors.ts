/**
 * Every error that Lapidary raises on purpose. `code` is stable across releases; the message says which
 * argument (or file, row and field), what was given, what was expected.
 */
export type LapidaryErrorCode =
  | 'ERR_LAPIDARY_ARGUMENT' // an argument of the wrong type, shape or range
  | 'ERR_LAPIDARY_STATE' // a call that the object's state does not allow (disposed, backward before forward)
  | 'ERR_LAPIDARY_ADDON' // the native addon could not be loaded
  | 'ERR_LAPIDARY_NATIVE' // the native layer failed (out of memory)
  | 'ERR_LAPIDARY_DEVICE' // a CUDA device that is not there, or that failed
  | 'ERR_LAPIDARY_MEMORY' // a CUDA device has not enough memory
  | 'ERR_LAPIDARY_DATA' // a record, file or row that breaks the schema
  | 'ERR_LAPIDARY_CONFIG' // a run configuration that cannot be used
  | 'ERR_LAPIDARY_JUDGE' // a judge that cannot be reached or refuses (never a verdict)
  | 'ERR_LAPIDARY_IO'; // a file that cannot be read or written

const MARKER = Symbol.for('lapidary.error');

export class LapidaryError extends Error {
  readonly code: LapidaryErrorCode;
  /** The argument, field or option at fault, where there is one. */
  readonly argument: string | undefined;

  constructor(
    code: LapidaryErrorCode,
    message: string,
    options: { argument?: string; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'LapidaryError';
    this.code = code;
    this.argument = options.argument;
    Object.defineProperty(this, MARKER, { value: true });
  }

  /** True for errors of any installed copy of this package, where `instanceof` would fail across two. */
  static isInstance(value: unknown): value is LapidaryError {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[MARKER] === true;
  }
}

/** A bad row of a file: "FILE: line N: field F: what is wrong". Line numbers count from 1. */
export function dataError(file: string, line: number, field: string, problem: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_DATA', `${file}: line ${line}: ${field}: ${problem}`, {
    argument: field,
  });
}

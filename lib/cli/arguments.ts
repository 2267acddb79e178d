import { parseArgs } from 'node:util';
import { LapidaryError } from '../errors.ts';

/** What a command ends with. */
export const EXIT = {
  done: 0,
  /** Bad input, a bad configuration, a failure. */
  failed: 1,
  /** Finished, but counted work is missing: judge calls that failed, a spend cap. */
  partial: 3,
  interrupted: 130,
} as const;

export interface ParsedArguments {
  positionals: string[];
  out: string | undefined;
  json: boolean;
  /** Overrides of single configuration keys, `a.b=c`. */
  set: string[];
  format: string | undefined;
  full: boolean;
}

const OPTIONS = {
  out: { type: 'string' },
  json: { type: 'boolean' },
  set: { type: 'string', multiple: true, short: 'o' },
  format: { type: 'string' },
  full: { type: 'boolean' },
} as const;

/** The few options of the commands; anything else is an error that names it. */
export function parseArguments(
  args: string[],
  allowed: readonly (keyof typeof OPTIONS)[],
  positionals: number,
): ParsedArguments {
  try {
    const parsed = parseArgs({ args, allowPositionals: true, options: OPTIONS });
    const { out, json = false, set = [], format, full = false } = parsed.values;
    const stray = Object.keys(parsed.values).find((name) => !(allowed as readonly string[]).includes(name));
    if (stray !== undefined) throw new TypeError(`this command has no option --${stray}`);
    if (parsed.positionals.length !== positionals) {
      throw new TypeError(`expected ${positionals} argument(s), got ${parsed.positionals.length}`);
    }
    return { positionals: parsed.positionals, out, json, set, format, full };
  } catch (cause) {
    throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', (cause as Error).message, { cause });
  }
}

/** Aborts on the first Ctrl-C or SIGTERM; a second one ends the process the usual way. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => controller.abort());
  return controller.signal;
}

import { parseArgs } from 'node:util';
import { LapidaryError } from '../errors.ts';

export interface ParsedArguments {
  positionals: string[];
  out: string | undefined;
  json: boolean;
  set: string[];
}

const OPTIONS = {
  out: { type: 'string' },
  json: { type: 'boolean' },
  set: { type: 'string', multiple: true },
} as const;

/** The few options of the commands; anything else is an error that names it. */
export function parseArguments(
  args: string[],
  allowed: readonly (keyof typeof OPTIONS)[],
  positionals: number,
): ParsedArguments {
  try {
    const parsed = parseArgs({ args, allowPositionals: true, options: OPTIONS });
    const { out, json = false, set = [] } = parsed.values;
    const stray = Object.keys(parsed.values).find((name) => !(allowed as readonly string[]).includes(name));
    if (stray !== undefined) throw new TypeError(`this command has no option --${stray}`);
    if (parsed.positionals.length !== positionals) {
      throw new TypeError(`expected ${positionals} argument(s), got ${parsed.positionals.length}`);
    }
    return { positionals: parsed.positionals, out, json, set };
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

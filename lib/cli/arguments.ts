import { parseArgs } from 'node:util';
import { LapidaryError } from '../errors.ts';

export interface ParsedArguments {
  positionals: string[];
  out: string | undefined;
  json: boolean;
}

/** The few options of the commands; anything else is an error that names it. */
export function parseArguments(
  args: string[],
  allowed: readonly ('out' | 'json')[],
  positionals: number,
): ParsedArguments {
  try {
    const parsed = parseArgs({
      args,
      allowPositionals: positionals > 0,
      options: {
        ...(allowed.includes('out') ? { out: { type: 'string' as const } } : {}),
        ...(allowed.includes('json') ? { json: { type: 'boolean' as const } } : {}),
      },
    });
    if (parsed.positionals.length !== positionals) {
      throw new TypeError(`expected ${positionals} argument(s), got ${parsed.positionals.length}`);
    }
    const values = parsed.values as { out?: string; json?: boolean };
    return { positionals: parsed.positionals, out: values.out, json: values.json ?? false };
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

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LapidaryError } from '../errors.ts';

/**
 * Imports a package that Lapidary works with and does not depend on. It is looked for beside this package, then
 * from the working directory. Throws ERR_LAPIDARY_ARGUMENT with the command that installs it.
 */
export async function importOptional(name: string, version: string, purpose: string): Promise<unknown> {
  const bases = [import.meta.url, pathToFileURL(join(process.cwd(), 'package.json')).href];
  let problem: unknown;
  for (const base of bases) {
    let found: string;
    try {
      found = createRequire(base).resolve(name);
    } catch (cause) {
      problem ??= cause;
      continue;
    }
    try {
      return (await import(pathToFileURL(found).href)) as unknown;
    } catch (cause) {
      throw missing(`${name} is installed but cannot be loaded: ${(cause as Error).message}`, name, cause);
    }
  }
  throw missing(
    `${name} is needed for ${purpose} and is not installed: npm install ${name}@${version}`,
    name,
    problem,
  );
}

/** A CommonJS package comes as the default export of its namespace. */
export function namedExports(module: unknown): Record<string, unknown> {
  const namespace = module as Record<string, unknown>;
  const inner = namespace.default;
  return typeof inner === 'object' && inner !== null ? { ...namespace, ...inner } : namespace;
}

function missing(problem: string, argument: string, cause: unknown): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument, cause });
}

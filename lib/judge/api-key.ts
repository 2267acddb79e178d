import { LapidaryError } from '../errors.ts';

/** The key is read when it is needed and never kept, so that no dump of a judge shows it. */
export function readKey(variable: string | null): string | null {
  if (variable === null) return null;
  const key = process.env[variable]?.trim();
  if (key === undefined || key === '') {
    throw new LapidaryError('ERR_LAPIDARY_JUDGE', `apiKeyEnv: environment variable ${variable} is not set`, {
      argument: 'apiKeyEnv',
    });
  }
  // Checked here because fetch would quote a bad header, key and all, in its error.
  if (!/^[\x21-\x7e]+$/.test(key)) {
    const problem = `apiKeyEnv: environment variable ${variable} holds characters that no key can have`;
    throw new LapidaryError('ERR_LAPIDARY_JUDGE', problem, { argument: 'apiKeyEnv' });
  }
  return key;
}

/** Should a server echo the key, it must not end up in a stored reason. Placeholders ("EMPTY") are ordinary words. */
export function withoutKey(text: string, key: string | null): string {
  return key === null || key.length < 12 ? text : text.replaceAll(key, '[key]');
}

import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { z } from 'zod';
import { LapidaryError } from '../errors.ts';

const Owner = z.object({ pid: z.number().int(), started: z.string().nullable(), host: z.string() });
type Owner = z.infer<typeof Owner>;

/** Locks that this process has or is after: any other that bears its pid is a dead one's (usual in containers). */
const held = new Set<string>();

/**
 * Makes this process the only one that uses `path`, by a file beside it that names the owner. The lock of a process
 * that is dead is taken over; that of a living one, or of another host, is ERR_LAPIDARY_STATE. Gives the release.
 */
export async function lockFile(path: string): Promise<() => Promise<void>> {
  const lock = `${resolve(path)}.lock`;
  const own: Owner = { pid: process.pid, started: await startOf('self'), host: hostname() };
  if (held.has(lock)) throw inUse(path, lock, own);
  held.add(lock);
  try {
    await acquire(path, lock, own);
  } catch (error) {
    held.delete(lock);
    throw error;
  }
  return async () => {
    await rm(lock, { force: true });
    held.delete(lock);
  };
}

async function acquire(path: string, lock: string, own: Owner): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt++) {
    if (await claim(lock, own)) return;
    const text = await readFile(lock, 'utf8').catch(() => null);
    // Released between the two calls.
    if (text === null) continue;
    const owner = ownerOf(text);
    if (owner === null || (await isAlive(owner))) throw inUse(path, lock, owner);
    await evict(lock, text);
  }
  throw inUse(path, lock, null);
}

/** A hard link appears whole, with its content, or not at all. */
async function claim(lock: string, own: Owner): Promise<boolean> {
  const temporary = `${lock}.${randomUUID()}`;
  try {
    await writeFile(temporary, JSON.stringify(own), { flag: 'wx' });
    await link(temporary, lock);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new LapidaryError('ERR_LAPIDARY_IO', `${lock}: cannot be made: ${(cause as Error).message}`, {
      cause,
    });
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Takes a dead process's lock away. Should another process have replaced it meanwhile, that one's is put back. */
async function evict(lock: string, seen: string): Promise<void> {
  const aside = `${lock}.${randomUUID()}`;
  const moved = await rename(lock, aside).then(
    () => true,
    () => false,
  );
  if (!moved) return;
  if ((await readFile(aside, 'utf8')) !== seen) await link(aside, lock).catch(() => {});
  await rm(aside, { force: true });
}

async function isAlive(owner: Owner): Promise<boolean> {
  if (owner.host !== hostname()) return true;
  if (owner.pid === process.pid) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
  // The pid lives; if it started at another time, it is another process.
  const started = await startOf(String(owner.pid));
  return owner.started === null || started === null || started === owner.started;
}

/** When a process started, in the kernel's ticks since boot; null where the system does not tell. */
async function startOf(pid: string): Promise<string | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  // The name, in parentheses, may hold spaces; start time is field 22, the 20th after it.
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

function ownerOf(text: string): Owner | null {
  try {
    return Owner.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

function inUse(path: string, lock: string, owner: Owner | null): LapidaryError {
  const who = owner === null ? 'another process' : `process ${owner.pid} on ${owner.host}`;
  const advice = `if that process is gone, remove ${lock}`;
  return new LapidaryError('ERR_LAPIDARY_STATE', `${path}: is in use by ${who}; ${advice}`, {
    argument: 'path',
  });
}

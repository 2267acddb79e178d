// Interleaved timing: every contestant runs once per round, so that noise and throttling hit all alike; medians are
// compared. A contestant is one variant of one provider.
import { setTimeout } from 'node:timers/promises';
import { compareOutputs } from './compare.mjs';

const PAUSE_MS = 3; // idle threads of the last contestant stop spinning

async function timeOnce({ provider, variant }, operation) {
  await setTimeout(PAUSE_MS);
  return (await provider.ask('run', { operation, variant })).seconds;
}

/** One run whose answer is compared with the library's first variant, and whose memory is read. */
async function checkOnce({ provider, variant }, { operation, check }, expected) {
  const prefix = provider.name.replaceAll(/\W/g, '');
  const { files, bytes, seconds } = await provider.ask('check', { operation, variant, prefix });
  expected.files ??= files;
  return { ...compareOutputs(check, expected.files, files), bytes, first: seconds };
}

/**
 * Checks each variant of a provider and gives it a trial. A peer's variant whose first run took more
 * than twice its best variant's trial gets no trial, unless that run may have been compiling.
 */
async function tryOut(provider, each, variants, expected, prune) {
  const contestants = [];
  let best = Infinity;
  for (const variant of variants) {
    const contestant = { provider, name: provider.name, variant, times: [] };
    contestants.push(contestant);
    try {
      Object.assign(contestant, await checkOnce(contestant, each, expected));
      const behind = prune && contestant.first > 2 * best && !variant.includes('compiled');
      if (!contestant.right || behind) continue;
      contestant.trial = await trialOf(contestant, each.operation);
      best = Math.min(best, contestant.trial);
    } catch (error) {
      Object.assign(contestant, { right: false, failure: error.message });
    }
  }
  return contestants;
}

/** Long runs are known well enough from the first, unless that one compiled; short ones are run twice. */
async function trialOf(contestant, operation) {
  if (contestant.first > 2 && !contestant.variant.includes('compiled')) return contestant.first;
  const seconds = await timeOnce(contestant, operation);
  return seconds < 0.3 ? Math.min(seconds, await timeOnce(contestant, operation)) : seconds;
}

const raced = (contestant) => contestant.right && contestant.trial !== undefined;

/** The fastest in the trial, or none; only those within 1.5 times of it are tried at further thread counts. */
function fastest(peer, each, contestants) {
  const [first, ...others] = contestants.filter(raced).sort((a, b) => a.trial - b.trial);
  if (first === undefined) return [];
  const kept = [first, ...others.filter(({ trial }) => trial < 1.5 * first.trial)];
  peer.kept.set(
    each.key,
    kept.map(({ variant }) => variant),
  );
  return [first];
}

/**
 * One case at one number of threads: all variants of the library against the fastest variant of each peer.
 * `seconds` bounds the rounds: at least 3, at most `rounds`; a contestant far behind runs in the first alone.
 */
export async function measureCase(each, library, peers, { seconds, rounds }) {
  const { operation } = each;
  const expected = {};
  const ours = await tryOut(library, each, library.operations[operation] ?? [], expected, false);
  if (ours.length === 0) return null;
  const tried = [];
  const racing = ours.filter(raced);
  for (const peer of peers.filter(({ ended }) => !ended)) {
    const variants = peer.kept.get(each.key) ?? peer.operations[operation] ?? [];
    const contestants = await tryOut(peer, each, variants, expected, true);
    tried.push(...contestants);
    racing.push(...fastest(peer, each, contestants));
  }
  const quickest = Math.min(...racing.map(({ trial }) => trial));
  if (racing.length === 0) return { ours, peers: tried };
  const slow = ({ trial }) => trial > 4 * quickest && trial > seconds / 10;
  const round = racing.reduce((sum, contestant) => sum + (slow(contestant) ? 0 : contestant.trial), 0);
  const count = Math.max(3, Math.min(rounds, Math.floor(seconds / round)));
  for (let i = 0; i < count; i++) {
    for (const contestant of racing) {
      if (contestant.failure || (slow(contestant) && i >= 1)) continue;
      try {
        contestant.times.push(await timeOnce(contestant, operation));
      } catch (error) {
        Object.assign(contestant, { right: false, failure: error.message });
      }
    }
  }
  for (const contestant of racing.filter(({ right }) => right)) contestant.seconds = median(contestant.times);
  return { ours, peers: tried };
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

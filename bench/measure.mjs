// Interleaved timing: every contestant runs once per round, so that noise and throttling hit all alike; medians are
// compared. A contestant is one variant of one provider.
import { setTimeout } from 'node:timers/promises';
import { compareOutputs } from './compare.mjs';

const PAUSE_MS = 3; // idle threads of the last contestant stop spinning

async function timeOnce({ provider, variant }, operation) {
  await setTimeout(PAUSE_MS);
  return (await provider.ask('run', { operation, variant })).seconds;
}

/** Runs each variant once: its answer against the library's first variant, and its memory; then twice for a trial. */
async function tryOut(provider, operation, variants, check, expected, trial) {
  const contestants = [];
  for (const variant of variants) {
    const contestant = { provider, name: provider.name, variant, times: [] };
    contestants.push(contestant);
    try {
      const prefix = `${provider.name}`.replaceAll(/\W/g, '');
      const { files, bytes } = await provider.ask('check', { operation, variant, prefix });
      expected.files ??= files;
      Object.assign(contestant, compareOutputs(check, expected.files, files), { bytes });
      if (!contestant.right || !trial) continue;
      contestant.trial = await timeOnce(contestant, operation);
      if (contestant.trial < 2)
        contestant.trial = Math.min(contestant.trial, await timeOnce(contestant, operation));
    } catch (error) {
      Object.assign(contestant, { right: false, failure: error.message });
    }
  }
  return contestants;
}

/** The fastest in the trial of those with the right answer, or none. */
function fastest(contestants) {
  const right = contestants.filter((contestant) => contestant.right);
  return right.sort((a, b) => a.trial - b.trial).slice(0, 1);
}

/**
 * One case at one number of threads: all variants of the library against the fastest variant of each peer.
 * `seconds` bounds the rounds: at least 3, at most `rounds`; a contestant far behind runs in the first 2 alone.
 */
export async function measureCase({ operation, check }, library, peers, { seconds, rounds }) {
  const expected = {};
  const ours = await tryOut(library, operation, library.operations[operation] ?? [], check, expected, true);
  if (ours.length === 0) return null;
  const tried = [];
  const racing = ours.filter((contestant) => contestant.right);
  for (const peer of peers) {
    const variants = peer.operations[operation] ?? [];
    const contestants = await tryOut(peer, operation, variants, check, expected, true);
    tried.push(...contestants);
    racing.push(...fastest(contestants));
  }
  const quickest = Math.min(...racing.map(({ trial }) => trial));
  const slow = ({ trial }) => trial > 4 * quickest && trial > seconds / 10;
  const round = racing.reduce((sum, contestant) => sum + (slow(contestant) ? 0 : contestant.trial), 0);
  const count = Math.max(3, Math.min(rounds, Math.floor(seconds / round)));
  for (let i = 0; i < count; i++) {
    for (const contestant of racing) {
      if (slow(contestant) && i >= 2) continue;
      contestant.times.push(await timeOnce(contestant, operation));
    }
  }
  for (const contestant of racing) contestant.seconds = median(contestant.times);
  return { ours, peers: tried };
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

import type { Lengths } from './cut-text.ts';
import type { BreakSource, LegalPlaces, Zone } from './cut-zone.ts';
import { endsInLabel, splitsWord } from './dot-places.ts';
import type { Candidate } from './sat-candidates.ts';
import { greedyBoundaries, type LengthSearch, viterbiBoundaries } from './sat-lengths.ts';
import type { LengthPrior } from './sat-priors.ts';
import { type Break, Strength, sentenceBreaks } from './sentence-breaks.ts';

/** What picks among the proposed boundaries. */
export interface SatChoice {
  mode: 'threshold' | 'viterbi' | 'greedy';
  threshold: number;
  prior: LengthPrior;
  newlines: 'ignore' | 'paragraphs' | 'lines';
}

/** Above every boundary that a rule finds; the probability, below 1, is added to it. */
const MODEL = Strength.paragraph + 1;

/**
 * The breaks of a zone by a model's candidates. Those inside an atomic region, a number or a URL, and after a label
 * such as "e.g.", are left out, those inside a visible character move behind it, and line breaks count as certain where they are to count. What is still too long is
 * split by the sentence rules.
 */
export function satBreaks(
  candidates: readonly Candidate[],
  lengths: Lengths,
  choice: SatChoice,
): BreakSource {
  return (zone, legal) => {
    const rules = sentenceBreaks(zone.text, null).filter(({ at }) => legal.allows(at));
    const places = withNewlines(legalCandidates(candidates, zone, legal), rules, choice.newlines);
    const chosen = new Set(choose(places, zone.text.length, lengths, choice));
    const units = places
      .filter(({ at }) => chosen.has(at))
      .map(({ at, probability }) => ({ at, strength: MODEL + probability }));
    return { units, finer: merged(rules, units) };
  };
}

function legalCandidates(candidates: readonly Candidate[], zone: Zone, legal: LegalPlaces): Candidate[] {
  const places: Candidate[] = [];
  for (const { at, probability } of candidates) {
    const inZone = at - zone.start;
    if (inZone <= 0 || inZone >= zone.text.length) continue;
    const snapped = legal.cuts.after(inZone);
    if (snapped >= zone.text.length || !legal.allows(snapped)) continue;
    if (endsInLabel(zone.text, snapped) || splitsWord(zone.text, snapped)) continue;
    const last = places.at(-1);
    if (last?.at === snapped) last.probability = Math.max(last.probability, probability);
    else places.push({ at: snapped, probability });
  }
  return places;
}

function withNewlines(
  places: readonly Candidate[],
  rules: readonly Break[],
  newlines: SatChoice['newlines'],
): readonly Candidate[] {
  if (newlines === 'ignore') return places;
  const least = newlines === 'lines' ? Strength.line : Strength.paragraph;
  const probabilities = new Map(places.map(({ at, probability }) => [at, probability]));
  for (const { at, strength } of rules) if (strength >= least) probabilities.set(at, 1);
  return [...probabilities].map(([at, probability]) => ({ at, probability })).sort((a, b) => a.at - b.at);
}

function choose(
  places: readonly Candidate[],
  length: number,
  lengths: Lengths,
  { mode, threshold, prior }: SatChoice,
): readonly number[] {
  const above = (): number[] => places.filter((place) => place.probability > threshold).map(({ at }) => at);
  if (mode === 'threshold') return above();
  const search: LengthSearch = { minLength: lengths.minChars, maxLength: lengths.maxChars, prior };
  if (mode === 'greedy') return greedyBoundaries(places, length, search);
  // No pieces fit the maximum and the prior: the threshold chooses, and the common rules split and join.
  return viterbiBoundaries(places, length, search) ?? above();
}

function merged(rules: readonly Break[], units: readonly Break[]): Break[] {
  const byPlace = new Map(rules.map((each) => [each.at, each]));
  for (const unit of units) byPlace.set(unit.at, unit);
  return [...byPlace.values()].sort((a, b) => a.at - b.at);
}

import { createHash } from 'node:crypto';
import { LapidaryError } from '../errors.ts';
import { cutZone } from './cut-zone.ts';
import { GraphemeCuts } from './grapheme-cuts.ts';
import { markerPattern, REFLECTION_MARKERS } from './reflection-markers.ts';
import type { Segmenter, Span } from './segmenter.ts';
import { zones } from './zones.ts';

export interface RuleSegmenterOptions {
  /** Shorter pieces are joined to the next one of their zone, as long as `maxChars` allows. */
  minChars?: number;
  /** No step is longer, unless one visible character (a grapheme cluster) is. In UTF-16 units. */
  maxChars?: number;
  /**
   * paragraph: steps end at blank lines and before reflections. sentence: also at line and sentence ends.
   * line: at every line break, for short machine-written text; atomic regions do not hold lines together.
   */
  unit?: 'paragraph' | 'sentence' | 'line';
  /** Phrases that open a reflection when a sentence starts with them. */
  reflectionMarkers?: readonly string[];
}

export interface SegmentStats {
  steps: number;
  atomicRegions: number;
  /** Boundaries inside an atomic region: only where the region alone is longer than `maxChars`. */
  atomicCuts: number;
  /** Pieces that were longer than `maxChars`. */
  splitPieces: number;
  /** Pieces shorter than `minChars` that were joined to a neighbour. */
  mergedPieces: number;
}

/** Cuts a response into steps by rules alone; linear in the length of the text. */
export class RuleSegmenter implements Segmenter {
  readonly id: string;
  readonly #options: Required<RuleSegmenterOptions>;
  readonly #markers: RegExp | null;

  constructor(options: RuleSegmenterOptions = {}) {
    const {
      minChars = 200,
      maxChars = 2000,
      unit = 'paragraph',
      reflectionMarkers = REFLECTION_MARKERS,
    } = options;
    checkLength('minChars', minChars, 1);
    checkLength('maxChars', maxChars, minChars);
    if (!['paragraph', 'sentence', 'line'].includes(unit)) {
      throw argumentError('unit', `${JSON.stringify(unit)}: expected "paragraph", "sentence" or "line"`);
    }
    if (reflectionMarkers.some((marker) => typeof marker !== 'string' || marker.trim() === '')) {
      throw argumentError('reflectionMarkers', 'holds an empty marker: expected phrases');
    }
    this.#options = { minChars, maxChars, unit, reflectionMarkers };
    this.#markers = markerPattern(reflectionMarkers);
    const canonical = JSON.stringify([minChars, maxChars, unit, [...reflectionMarkers].sort()]);
    this.id = `rule-v1:${createHash('sha256').update(canonical).digest('hex').slice(0, 12)}`;
  }

  segment(text: string): Span[] {
    return this.segmentWithStats(text).spans;
  }

  segmentWithStats(text: string): { spans: Span[]; stats: SegmentStats } {
    const stats: SegmentStats = {
      steps: 0,
      atomicRegions: 0,
      atomicCuts: 0,
      splitPieces: 0,
      mergedPieces: 0,
    };
    const spans: Span[] = [];
    for (const zone of wholeZones(text)) {
      const cut = cutZone(text.slice(zone.start, zone.end), { ...this.#options, markers: this.#markers });
      for (const { start, end } of cut.spans)
        spans.push({ start: zone.start + start, end: zone.start + end });
      stats.atomicRegions += cut.atomicRegions;
      stats.atomicCuts += cut.atomicCuts;
      stats.splitPieces += cut.splitPieces;
      stats.mergedPieces += cut.mergedPieces;
    }
    stats.steps = spans.length;
    return { spans, stats };
  }
}

/** The zones, with their edges moved so that no visible character is split. */
function wholeZones(text: string): Span[] {
  const cuts = new GraphemeCuts(text);
  const edges = new Set(zones(text).map((zone) => cuts.after(zone.start)));
  const starts = [...edges].filter((start) => start < text.length);
  return starts.map((start, index) => ({ start, end: starts[index + 1] ?? text.length }));
}

function checkLength(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw argumentError(name, `${value}: expected an integer of at least ${least}`);
}

function argumentError(argument: string, problem: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', `${argument}: ${problem}`, { argument });
}

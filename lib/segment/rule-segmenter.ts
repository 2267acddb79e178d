import { createHash } from 'node:crypto';
import { LapidaryError } from '../errors.ts';
import { checkLengths, cutText, type LengthOptions, type Lengths } from './cut-text.ts';
import type { BreakSource } from './cut-zone.ts';
import { lineBreaks } from './line-breaks.ts';
import { markerPattern, REFLECTION_MARKERS } from './reflection-markers.ts';
import type { Segmentation, Segmenter, Span, TokenOwners } from './segmenter.ts';
import { Strength, sentenceBreaks } from './sentence-breaks.ts';

export interface RuleSegmenterOptions extends LengthOptions {
  /**
   * paragraph: steps end at blank lines and before reflections. sentence: also at line and sentence ends.
   * line: at every line break, for short machine-written text; atomic regions do not hold lines together.
   */
  unit?: 'paragraph' | 'sentence' | 'line';
  /** Phrases that open a reflection when a sentence starts with them. */
  reflectionMarkers?: readonly string[];
}

/** Cuts a response into steps by rules alone; linear in the length of the text. */
export class RuleSegmenter implements Segmenter {
  readonly id: string;
  readonly #lengths: Lengths;
  readonly #source: BreakSource;

  constructor(options: RuleSegmenterOptions = {}) {
    const { unit = 'paragraph', reflectionMarkers = REFLECTION_MARKERS } = options;
    this.#lengths = checkLengths(options);
    if (!['paragraph', 'sentence', 'line'].includes(unit)) {
      throw argumentError('unit', `${JSON.stringify(unit)}: expected "paragraph", "sentence" or "line"`);
    }
    if (reflectionMarkers.some((marker) => typeof marker !== 'string' || marker.trim() === '')) {
      throw argumentError('reflectionMarkers', 'holds an empty marker: expected phrases');
    }
    this.#source = ruleBreaks(unit, markerPattern(reflectionMarkers));
    this.id = `rule-v2:${optionsHash(this.#lengths, unit, reflectionMarkers)}`;
  }

  segment(text: string, owners?: TokenOwners): Span[] {
    return this.segmentWithStats(text, owners).spans;
  }

  segmentWithStats(text: string, owners?: TokenOwners): Segmentation {
    return cutText(text, owners, this.#lengths, this.#source);
  }
}

function optionsHash(lengths: Lengths, unit: string, markers: readonly string[]): string {
  const { minChars, maxChars, maxTokens, targetSteps } = lengths;
  const canonical = JSON.stringify([minChars, maxChars, maxTokens, targetSteps, unit, [...markers].sort()]);
  return createHash('sha256').update(canonical).digest('hex').slice(0, 12);
}

function ruleBreaks(unit: 'paragraph' | 'sentence' | 'line', markers: RegExp | null): BreakSource {
  return ({ text }, legal) => {
    const finer = sentenceBreaks(text, markers).filter(({ at }) => legal.allows(at));
    if (unit === 'sentence') return { units: finer, finer };
    if (unit === 'line') return { units: lineBreaks(text).filter(({ at }) => legal.cuts.allows(at)), finer };
    return { units: finer.filter(({ strength }) => strength >= Strength.reflection), finer };
  };
}

function argumentError(argument: string, problem: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', `${argument}: ${problem}`, { argument });
}

import { RuleSegmenter } from '../../lib/segment/rule-segmenter.ts';
import { SatSegmenter, type SatSegmenterOptions } from '../../lib/segment/sat-segmenter.ts';
import type { Segmentation, TokenOwners } from '../../lib/segment/segmenter.ts';
import type { Random } from '../random.ts';
import { FakeEncoder, FakeModel } from './fake-sat.ts';

/** A segmenter of either kind, asked in the same way. */
export interface Subject {
  label: string;
  id: string;
  /** Whether lines are cut whatever regions they are in. */
  byLine: boolean;
  minChars: number;
  maxChars: number;
  maxTokens: number | null;
  segment(text: string, owners?: TokenOwners): Promise<Segmentation>;
}

export interface SubjectOptions {
  minChars: number;
  maxChars: number;
  maxTokens: number | null;
}

export const FAMILIES = ['rules', 'SaT with a fake model'] as const;
export type Family = (typeof FAMILIES)[number];

export function randomSubject(family: Family, random: Random, tokens = false): Subject {
  const minChars = random.pick([1, 5, 40]);
  const lengths = {
    minChars,
    maxChars: minChars + random.pick([0, 7, 60, 400]),
    maxTokens: tokens ? random.pick([1, 3, 20, 200]) : null,
  };
  return family === 'rules' ? ruleSubject(random, lengths) : satSubject(random, lengths);
}

function ruleSubject(random: Random, lengths: SubjectOptions): Subject {
  const unit = random.pick(['paragraph', 'sentence', 'line'] as const);
  const segmenter = new RuleSegmenter({ unit, ...lengths, targetSteps: random.pick([null, null, 1, 4, 30]) });
  return {
    ...lengths,
    label: `${unit} ${JSON.stringify(lengths)}`,
    id: segmenter.id,
    byLine: unit === 'line',
    segment: async (text, owners) => segmenter.segmentWithStats(text, owners),
  };
}

function satSubject(random: Random, lengths: SubjectOptions): Subject {
  const kind = random.pick(['gaussian', 'lognormal', 'clipped_polynomial'] as const);
  const options: SatSegmenterOptions = {
    ...lengths,
    mode: random.pick(['threshold', 'threshold', 'viterbi', 'greedy'] as const),
    threshold: random.pick([0, 0.025, 0.5]),
    prior: random.pick([{ kind: 'uniform' }, { kind, target: 50, spread: kind === 'lognormal' ? 0.5 : 40 }]),
    newlines: random.pick(['ignore', 'paragraphs', 'lines'] as const),
    blockSize: 20,
    stride: random.pick([3, 18]),
    weighting: random.pick(['uniform', 'hat'] as const),
    targetSteps: random.pick([null, null, null, 4]),
  };
  const segmenter = new SatSegmenter({ model: new FakeModel(), encoder: new FakeEncoder() }, options);
  return {
    ...lengths,
    label: JSON.stringify(options),
    id: segmenter.id,
    byLine: false,
    segment: async (text, owners) => {
      const input = owners === undefined ? { text } : { text, owners };
      return (await segmenter.segmentManyWithStats([input]))[0]!;
    },
  };
}

import { type Rollout, Step } from '../../data/records.ts';
import { RuleSegmenter } from '../../segment/rule-segmenter.ts';
import { openSatSegmenter } from '../../segment/sat-segmenter.ts';
import { segmentRollouts, segmentRolloutsAsync } from '../../segment/segment-rollouts.ts';
import { segmentationReport } from '../../segment/segmentation-report.ts';
import type { RunConfig } from '../config.ts';
import type { Handle } from '../stage.ts';
import { readTable, type StageContext, writeTable } from './context.ts';
import type { Verified } from './verify.ts';

type SegmentConfig = RunConfig['segment'];

/** Something that cuts rollouts into steps, and the name it leaves on them. */
interface Cutter {
  id: string;
  cut(rollouts: readonly Rollout[]): Promise<Step[]>;
}

export async function segmentStage(
  context: StageContext,
  where: string,
  verified: Handle<Verified>,
): Promise<Handle<Step[]>> {
  const { config, runner, tokenizer, progress } = context;
  const cutter = await cutterOf(context, config.segment);
  return runner.stage<Step[]>({
    kind: 'segment',
    title: `segment${where}`,
    version: 2,
    cheap: config.segment.kind === 'rules',
    settings: { segmenter: cutter.id, tokenizer: tokenizer.id },
    inputs: [verified],
    async compute(directory) {
      const { rollouts } = await verified.value();
      progress.status('segment: cutting responses into steps');
      const steps = await cutter.cut(rollouts);
      const files = [await writeTable(directory, 'steps', steps)];
      const report = segmentationReport({ rollouts, steps, tokenizer });
      return { files, counts: { rollouts: rollouts.length, ...flat(report) } };
    },
    load: (directory) => readTable(directory, 'steps', Step),
  });
}

async function cutterOf(context: StageContext, segment: SegmentConfig): Promise<Cutter> {
  const { tokenizer, progress, signal } = context;
  const lengths = lengthsOf(segment);
  if (segment.kind === 'rules') {
    const segmenter = new RuleSegmenter({ unit: segment.unit, ...lengths });
    return { id: segmenter.id, cut: async (rollouts) => segmentRollouts(rollouts, segmenter, tokenizer) };
  }
  const { model, model_tokenizer, mode, threshold } = segment;
  const segmenter = await openSatSegmenter(
    { model, tokenizer: model_tokenizer },
    { ...lengths, mode, ...(threshold === undefined ? {} : { threshold }) },
  );
  const cut = async (rollouts: readonly Rollout[]) => {
    const out: Step[] = [];
    let done = 0;
    for await (const { steps } of segmentRolloutsAsync(
      rollouts,
      segmenter,
      tokenizer,
      signal ? { signal } : {},
    )) {
      out.push(...steps);
      progress.advance('segment', ++done, rollouts.length, 'responses');
    }
    return out;
  };
  return { id: segmenter.id, cut };
}

function lengthsOf({ min_chars, max_chars, max_tokens, target_steps }: SegmentConfig) {
  return {
    ...{ minChars: min_chars, maxChars: max_chars },
    ...(max_tokens === undefined ? {} : { maxTokens: max_tokens }),
    ...(target_steps === undefined ? {} : { targetSteps: target_steps }),
  };
}

/** The report's numbers; its quantiles as one object. */
function flat(report: object): Record<string, number | null> {
  return Object.fromEntries(
    Object.entries(report).filter(([, value]) => typeof value === 'number' || value === null),
  );
}

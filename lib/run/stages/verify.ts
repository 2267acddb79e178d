import { Prompt, Rollout } from '../../data/records.ts';
import { ComputeEngineSymbolic } from '../../verify/symbolic-engine.ts';
import {
  SYMBOLIC_VERIFIER_ID,
  VERIFIER_ID,
  type VerifiedRollouts,
  verifyRollouts,
  verifyRolloutsWith,
} from '../../verify/verify-rollouts.ts';
import type { Handle } from '../stage.ts';
import { readTable, type StageContext, writeTable } from './context.ts';
import type { RolloutTables } from './import.ts';

export interface Verified {
  prompts: Map<string, Prompt>;
  rollouts: Rollout[];
}

export function verifyStage(
  context: StageContext,
  where: string,
  tables: Handle<RolloutTables>,
): Promise<Handle<Verified>> {
  const { runner, progress } = context;
  return runner.stage<Verified>({
    kind: 'verify',
    title: `verify${where}`,
    version: 1,
    cheap: true,
    settings: context.config.verify.symbolic
      ? { verifier: SYMBOLIC_VERIFIER_ID, timeout: context.config.verify.timeout_seconds }
      : { verifier: VERIFIER_ID },
    inputs: [tables],
    async compute(directory) {
      const { prompts: list, rollouts: given } = await tables.value();
      progress.status('verify: reading final answers');
      const prompts = promptMap(list);
      const { rollouts, counts } = await verify(context, given, prompts);
      const files = [
        await writeTable(directory, 'prompts', list),
        await writeTable(directory, 'rollouts', rollouts),
      ];
      const cut = rollouts.filter((rollout) => rollout.finish_reason === 'length').length;
      return {
        files,
        counts: {
          rollouts: rollouts.length,
          ...counts.verdicts,
          cut_at_token_limit: cut,
          rules: counts.rules,
        },
      };
    },
    async load(directory) {
      const prompts = promptMap(await readTable(directory, 'prompts', Prompt));
      return { prompts, rollouts: await readTable(directory, 'rollouts', Rollout) };
    },
  });
}

/** Rules first; what they leave open goes to the computer algebra, in a thread that is ended when it hangs. */
async function verify(
  { config, signal }: StageContext,
  rollouts: readonly Rollout[],
  prompts: ReadonlyMap<string, Prompt>,
): Promise<VerifiedRollouts> {
  if (!config.verify.symbolic) return verifyRollouts(rollouts, prompts);
  await using engine = new ComputeEngineSymbolic({ timeoutMs: config.verify.timeout_seconds * 1000 });
  return await verifyRolloutsWith(rollouts, prompts, { engine, ...(signal ? { signal } : {}) });
}

function promptMap(prompts: readonly Prompt[]): Map<string, Prompt> {
  return new Map(prompts.map((prompt) => [prompt.prompt_id, prompt]));
}

/** The responses whose verdicts can change the training. */
export function wrongInMixedGroups(rollouts: readonly Rollout[]): Rollout[] {
  const withRight = new Set(
    rollouts.filter(({ verdict }) => verdict === 'right').map(({ group_id }) => group_id),
  );
  return rollouts.filter(({ verdict, group_id }) => verdict === 'wrong' && withRight.has(group_id));
}

import path from 'node:path';
import { loadConfig } from '../run/load-config.ts';
import { type Plan, planRun } from '../run/plan.ts';
import { formatTable } from '../run/table.ts';
import { parseArguments } from './arguments.ts';

/** The stages a run would do or skip, the calls it would make and what they would cost, before anything is spent. */
export async function planCommand(args: string[]): Promise<void> {
  const { positionals, out, set, json } = parseArguments(args, ['out', 'set', 'json'], 1);
  const config = loadConfig(positionals[0]!, set);
  // Without a policy there is nothing to train: the plan is that of a labelled set.
  const until = config.policy === undefined ? 'label' : 'evaluate';
  const plan = await planRun(config, out ?? path.join('runs', config.name), until);
  process.stdout.write(json ? `${JSON.stringify(plan, null, 2)}\n` : `${planText(plan)}\n`);
}

function planText({ stages, total }: Plan): string {
  const rows = stages.map(({ title, state, estimate }) => [
    title,
    state === 'cheap' ? 'due, seconds' : state,
    estimate === null ? '' : String(estimate.calls),
    estimate === null ? '' : String(estimate.promptTokens),
    estimate === null ? '' : String(estimate.completionTokens),
    estimate === null ? '' : price(estimate.usd),
  ]);
  const table = formatTable(['stage', 'state', 'calls', 'tokens in', 'tokens out', 'price'], rows);
  const spent = total.calls === 0 ? 'no paid calls' : `${total.calls} calls, at most ${price(total.usd)}`;
  return `${table}\n\n${total.cached} cached, ${total.due} due; ${spent}`;
}

function price(usd: number | null): string {
  return usd === null ? 'no price set' : `$${usd.toFixed(2)}`;
}

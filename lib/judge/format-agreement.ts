import type { AgreementReport, LabelShares } from './agreement-report.ts';
import type { AgreementTable } from './agreement-table.ts';
import type { KappaInterval } from './kappa-interval.ts';
import type { AgreementSlice, PairReport } from './pair-report.ts';

/** An agreement report as lines of text. */
export function formatAgreement(report: AgreementReport): string {
  const { responses, steps, tokens, consensus, propagation } = report;
  const rule = typeof report.rule === 'string' ? report.rule : JSON.stringify(report.rule);
  const size = `${responses} responses, ${steps} steps${tokens === null ? '' : `, ${tokens} tokens`}`;
  const lines = [`${size}; propagation ${propagation}`, ...report.judges.map(judgeLine)];
  lines.push(`consensus (${rule}): ${shares(consensus.steps)}`);
  const mined = consensus.tokens === null ? '' : `, ${percent(consensus.tokens.right)} of tokens`;
  lines.push(`mined: ${percent(consensus.steps.right)} of steps${mined}`);
  for (const pair of report.pairs) lines.push('', ...pairLines(pair));
  return `${lines.join('\n')}\n`;
}

function judgeLine({ id, steps }: AgreementReport['judges'][number]): string {
  return `${id}: ${shares(steps)}`;
}

function shares({ right, wrong, abstain, notAsked }: LabelShares): string {
  const unasked = notAsked === 0 ? '' : ` (${percent(notAsked)} not asked)`;
  return `right ${percent(right)}, wrong ${percent(wrong)}, abstain ${percent(abstain)}${unasked}`;
}

function pairLines(pair: PairReport): string[] {
  const lines = [`${pair.first} × ${pair.second}: ${pair.responses} responses`];
  if (pair.partlyAsked > 0)
    lines.push(`  ${pair.partlyAsked} responses left out: one was not asked about every step`);
  lines.push('             both  only 1st  only 2nd   neither  agreement    kappa      AC1');
  lines.push(tableLine('steps', pair.steps, pair.kappaInterval));
  if (pair.tokens !== null) lines.push(tableLine('tokens', pair.tokens, pair.tokenKappaInterval));
  for (const { slice, table } of filled([...pair.byPosition, ...pair.byLength])) {
    lines.push(tableLine(slice, table, null));
  }
  const { same, compared, open } = pair.firstError;
  const share = compared === 0 ? '–' : percent(same / compared);
  lines.push(`  first error at the same step: ${share} of ${compared} responses; open in ${open}`);
  return lines;
}

function filled(slices: readonly AgreementSlice[]): AgreementSlice[] {
  return slices.filter(({ table }) => table.total > 0);
}

function tableLine(name: string, table: AgreementTable, interval: KappaInterval | null): string {
  const cells = [table.bothRight, table.onlyFirstRight, table.onlySecondRight, table.bothWrong];
  const figures = [
    table.agreement === null ? '–' : percent(table.agreement),
    fixed(table.kappa),
    fixed(table.ac1),
  ];
  const widths = [9, 10, 10, 10, 11, 9, 9];
  const row = [...cells.map(String), ...figures].map((cell, i) => cell.padStart(widths[i]!)).join('');
  const range = interval === null ? '' : `  kappa in [${fixed(interval.low)}, ${fixed(interval.high)}]`;
  return `  ${name.padEnd(12).slice(0, 12)}${row.slice(4)}${range}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function fixed(value: number | null): string {
  return value === null ? '–' : value.toFixed(2);
}

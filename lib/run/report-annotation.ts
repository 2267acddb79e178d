import type { RunConfig } from './config.ts';
import type { SeedOutcome } from './pipeline.ts';
import { formatTable } from './table.ts';

/** For each method that relieves something: the tokens of wrong responses that its labels call right, over all seeds. */
export function annotationTable(seeds: readonly SeedOutcome[], config: RunConfig): string[] {
  const rows = config.methods.flatMap((method) => {
    if (method.beta === 1) return [];
    const counts = seeds.map(({ methods }) => {
      const own = methods.find((one) => one.method === method.name && one.iteration === 0);
      return own?.rows.record?.counts ?? {};
    });
    const sum = (key: string) => counts.reduce((total, own) => total + Number(own[key] ?? 0), 0);
    const [wrong, relieved] = [sum('wrong_tokens'), sum('relieved_tokens')];
    const share = wrong === 0 ? 'n/a' : `${((100 * relieved) / wrong).toFixed(1)} %`;
    const judges = method.judges?.join(' + ') ?? 'all';
    return [
      [
        method.name,
        judges,
        method.propagation,
        String(method.beta),
        String(relieved),
        String(wrong - relieved),
        share,
      ],
    ];
  });
  if (rows.length === 0) return [];
  const header = ['method', 'judges', 'rule', 'beta', 'tokens right', 'tokens wrong', 'relieved'];
  return ['\nLabels: tokens of wrong responses in mixed groups', formatTable(header, rows)];
}

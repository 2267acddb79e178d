import { describe, expect, it } from 'vitest';
import type { StepVerdict } from '../../lib/data/records.ts';
import { type CascadePlan, planCascade } from '../../lib/judge/cascade.ts';
import type { StepLabel } from '../../lib/judge/judge.ts';
import type { PropagationRule } from '../../lib/judge/propagation.ts';
import { consensusView, labelsByJudge } from '../../lib/judge/verdict-view.ts';
import { type Random, seededRandom } from '../random.ts';

const NUMBERS = [1, 1, 0, -1] as const;

function randomRows(
  random: Random,
  judge: string,
  scope: 'step' | 'prefix',
  responses: number[],
): StepVerdict[] {
  return responses.flatMap((steps, r) =>
    Array.from({ length: steps }, (_, k) => ({
      ...{ rollout_id: `r${r}`, segmenter_id: 's', k, judge_id: judge, scope },
      ...{ label: random.pick(NUMBERS), recovers: random.next() < 0.3 },
    })),
  );
}

/** What a judge that is asked by the plan leaves in the table. */
function asAsked(rows: StepVerdict[], { asked }: CascadePlan): StepVerdict[] {
  return rows.map((row) =>
    asked.get(row.rollout_id)!.includes(row.k)
      ? row
      : { ...row, label: -1 as const, recovers: false, reason: 'not-asked' },
  );
}

describe('planCascade', () => {
  const base = { auditShare: 0, propagation: 'propagate' as PropagationRule };

  it('leaves the labels as they are when all are asked, over random verdicts', () => {
    const seed = 20_260;
    const random = seededRandom(seed);
    let [saved, total] = [0, 0];
    for (let round = 0; round < 400; round++) {
      const responses = Array.from({ length: 4 }, () => random.int(1, 9));
      const screenRows = randomRows(random, 'prm', random.pick(['step', 'prefix']), responses);
      const dear = randomRows(random, 'llm', random.pick(['step', 'prefix']), responses);
      const propagation = random.pick(['propagate', 'local'] as const);
      const own = dear[0]!.scope === 'prefix' ? 'local' : propagation;
      const screen = labelsByJudge(screenRows, propagation).get('prm')!;
      const full = consensusView([...screenRows, ...dear], { propagation });
      const where = `seed ${seed}, round ${round}`;
      for (const keep of ['labels', 'right'] as const) {
        const auditShare = random.pick([0, 0.3]);
        const plan = planCascade({ screen, propagation: own, keep, auditShare, seed: round });
        const seen = consensusView([...screenRows, ...asAsked(dear, plan)], { propagation });
        if (keep === 'labels') expect(seen, where).toEqual(full);
        else {
          const rights = (view: Map<string, StepLabel[]>) =>
            [...view].map(([id, labels]) => [id, labels.map((label) => label === 'right')]);
          expect(rights(seen), where).toEqual(rights(full));
        }
        saved += plan.steps - plan.stepsAsked;
        total += plan.steps;
      }
    }
    expect(saved / total).toBeGreaterThan(0.1);
  });

  it('asks no more than it must: leaving out any planned step can change a label', () => {
    const screen = new Map<string, StepLabel[]>([['r0', ['wrong', 'right', 'wrong', 'right', 'wrong']]]);
    const screenRows = screen.get('r0')!.map(
      (label, k): StepVerdict => ({
        ...{ rollout_id: 'r0', segmenter_id: 's', k, judge_id: 'prm', scope: 'prefix' as const },
        label: label === 'right' ? 1 : 0,
      }),
    );
    for (const propagation of ['propagate', 'local'] as const) {
      const plan = planCascade({ ...base, screen, propagation });
      expect(plan.asked.get('r0')).toEqual(propagation === 'local' ? [1, 3] : [0, 1, 2, 3]);
      for (const left of plan.asked.get('r0')!) {
        // A wrong verdict there, and right ones elsewhere.
        const dear = screenRows.map((row) => ({
          ...{
            ...row,
            judge_id: 'llm',
            scope: 'step' as const,
            label: row.k === left ? (0 as const) : (1 as const),
          },
        }));
        const less = { ...plan, asked: new Map([['r0', plan.asked.get('r0')!.filter((k) => k !== left)]]) };
        const views = [dear, asAsked(dear, less)].map((rows) =>
          consensusView([...screenRows, ...rows], { propagation }),
        );
        expect(views[0]).not.toEqual(views[1]);
      }
    }
  });

  it('does not ask about a response without a positive step', () => {
    const screen = new Map<string, StepLabel[]>([
      ['none', ['wrong', 'wrong']],
      ['doubt', ['wrong', 'abstain', 'wrong']],
      ['empty', []],
    ]);
    const { asked, stepsAsked, steps } = planCascade({ ...base, screen });
    expect([...asked]).toEqual([
      ['none', []],
      ['doubt', [0, 1]],
      ['empty', []],
    ]);
    expect([stepsAsked, steps]).toEqual([2, 5]);
    expect(planCascade({ ...base, screen, keep: 'right' }).stepsAsked).toBe(0);
  });

  it('audits a seeded share in full, the same response whatever else is there', () => {
    const ids = Array.from({ length: 2000 }, (_, i) => `r${i}`);
    const screen = new Map(ids.map((id): [string, StepLabel[]] => [id, ['wrong', 'wrong']]));
    const plan = planCascade({ ...base, screen, auditShare: 0.1, seed: 7 });
    expect(plan.audited.size).toBeGreaterThan(150);
    expect(plan.audited.size).toBeLessThan(250);
    for (const id of ids) expect(plan.asked.get(id)).toEqual(plan.audited.has(id) ? [0, 1] : []);
    const part = new Map([...screen].slice(500, 600));
    const again = planCascade({ ...base, screen: part, auditShare: 0.1, seed: 7 });
    expect([...again.audited]).toEqual([...plan.audited].filter((id) => part.has(id)));
    expect(planCascade({ ...base, screen, auditShare: 1 }).audited.size).toBe(2000);
    expect(() => planCascade({ ...base, screen, auditShare: 2 })).toThrow('auditShare');
  });
});

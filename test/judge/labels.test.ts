import { describe, expect, it } from 'vitest';
import type { StepVerdict } from '../../lib/data/records.ts';
import { agreement } from '../../lib/judge/agreement.ts';
import { consensus } from '../../lib/judge/consensus.ts';
import type { StepLabel } from '../../lib/judge/judge.ts';
import { applyPropagation } from '../../lib/judge/propagation.ts';
import { consensusView } from '../../lib/judge/verdict-view.ts';
import { seededRandom } from '../random.ts';

const LABELS: readonly StepLabel[] = ['right', 'wrong', 'abstain'];
const label = (name: StepLabel, recovers = false) => ({ label: name, recovers });

describe('applyPropagation', () => {
  it('gives the labels of the worked example: an error, three inherited, a recovery', () => {
    const judgements = [
      ...Array.from({ length: 4 }, () => label('right')),
      label('wrong'),
      ...Array.from({ length: 3 }, () => label('right')),
      label('right', true),
      label('right'),
      label('right'),
    ];
    const labels = applyPropagation(judgements).map((name) => (name === 'right' ? 1 : 0));
    expect(labels).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1]);
    expect(applyPropagation(judgements, 'local').filter((name) => name === 'wrong')).toHaveLength(1);
  });

  it('lets an abstention pass without changing the state', () => {
    const judgements = [
      label('abstain'),
      label('right'),
      label('wrong'),
      label('abstain', true),
      label('right'),
    ];
    expect(applyPropagation(judgements)).toEqual(['abstain', 'right', 'wrong', 'abstain', 'wrong']);
  });

  it('only ever turns right into wrong, and nothing before the first error', () => {
    const random = seededRandom(5);
    for (let round = 0; round < 200; round++) {
      const judgements = Array.from({ length: random.int(0, 15) }, () =>
        label(random.pick(LABELS), random.next() < 0.3),
      );
      const first = judgements.findIndex((judgement) => judgement.label === 'wrong');
      for (const [k, result] of applyPropagation(judgements).entries()) {
        const own = judgements[k]!.label;
        if (result !== own) expect([own, result]).toEqual(['right', 'wrong']);
        if (first === -1 || k < first) expect(result).toBe(own);
      }
    }
  });
});

describe('consensus', () => {
  it('is unanimous', () => {
    const a: StepLabel[] = ['right', 'right', 'right', 'abstain', 'abstain'];
    const b: StepLabel[] = ['right', 'wrong', 'abstain', 'wrong', 'abstain'];
    expect(consensus([a, b])).toEqual(['right', 'wrong', 'abstain', 'wrong', 'abstain']);
    expect(consensus([a])).toEqual(a);
  });

  it('refuses no judges and labels of different lengths', () => {
    for (const labels of [[], [['right'], []]] as StepLabel[][][]) {
      expect(() => consensus(labels)).toThrowError(
        expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT' }),
      );
    }
  });
});

describe('consensusView', () => {
  const row = (judge: string, k: number, value: 1 | 0 | -1, recovers = false): StepVerdict => ({
    rollout_id: 'r',
    segmenter_id: 's',
    k,
    judge_id: judge,
    label: value,
    recovers,
  });

  it('propagates per judge, then votes', () => {
    const rows = [
      row('a', 1, 1),
      row('a', 0, 0),
      row('a', 2, 1, true),
      ...[0, 1, 2].map((k) => row('b', k, 1)),
    ];
    expect(consensusView(rows)).toEqual(new Map([['r', ['wrong', 'wrong', 'right']]]));
    expect(consensusView(rows, { propagation: 'local' }).get('r')).toEqual(['wrong', 'right', 'right']);
    expect(consensusView(rows, { judges: ['b'] }).get('r')).toEqual(['right', 'right', 'right']);
  });

  it('refuses gaps, doubles and absent judges', () => {
    for (const rows of [[row('a', 1, 1)], [row('a', 0, 1), row('a', 0, 1)]]) {
      expect(() => consensusView(rows)).toThrowError(expect.objectContaining({ code: 'ERR_LAPIDARY_DATA' }));
    }
    expect(() => consensusView([row('a', 0, 1)], { judges: ['a', 'z'] })).toThrow('no verdicts by judge z');
  });
});

describe('agreement', () => {
  it("gives the paper's figures from its token counts", () => {
    const cells: [StepLabel, StepLabel, number][] = [
      ['right', 'right', 26],
      ['right', 'wrong', 12],
      ['wrong', 'right', 39],
      ['wrong', 'wrong', 41],
      ['abstain', 'right', 5],
    ];
    const [pair] = agreement(
      [
        { id: 'prm', labels: cells.map(([a]) => a) },
        { id: 'llm', labels: cells.map(([, b]) => b) },
      ],
      cells.map(([, , tokens]) => tokens),
    );
    expect(pair!.steps).toMatchObject({
      bothRight: 1,
      bothWrong: 1,
      total: 4,
      excluded: 1,
      agreement: 0.5,
      kappa: 0,
    });
    expect(pair!.tokens).toMatchObject({
      bothRight: 26,
      onlyFirstRight: 12,
      onlySecondRight: 39,
      bothWrong: 41,
      excluded: 5,
    });
    expect(pair!.tokens!.agreement).toBeCloseTo(0.568, 3);
    expect(pair!.tokens!.kappa).toBeCloseTo(0.17, 2);
  });

  it('has no figure where there is none', () => {
    const all = (name: StepLabel) => ({ id: name, labels: [name, name] });
    expect(agreement([all('right'), all('right')])[0]!.steps).toMatchObject({ agreement: 1, kappa: null });
    expect(agreement([all('right'), all('abstain')])[0]!.steps).toMatchObject({
      total: 0,
      agreement: null,
      kappa: null,
    });
    expect(agreement([all('right'), all('wrong'), all('abstain')])).toHaveLength(3);
    expect(agreement([])).toEqual([]);
  });

  it('is symmetric and at most 1', () => {
    const random = seededRandom(9);
    for (let round = 0; round < 100; round++) {
      const [a, b] = [0, 1].map((i) => ({
        id: `${i}`,
        labels: Array.from({ length: 20 }, () => random.pick(LABELS)),
      }));
      const forward = agreement([a!, b!])[0]!.steps;
      const back = agreement([b!, a!])[0]!.steps;
      expect(forward.kappa).toBe(back.kappa);
      expect(forward.total + forward.excluded).toBe(20);
      expect(forward.kappa ?? 0).toBeLessThanOrEqual(1);
    }
  });
});

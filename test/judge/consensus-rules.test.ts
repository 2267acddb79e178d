import { describe, expect, it } from 'vitest';
import type { StepVerdict } from '../../lib/data/records.ts';
import { type ConsensusRule, consensus } from '../../lib/judge/consensus.ts';
import type { StepLabel } from '../../lib/judge/judge.ts';
import { consensusView } from '../../lib/judge/verdict-view.ts';

const LABELS: readonly StepLabel[] = ['right', 'wrong', 'abstain'];

/** Every vote of `judges` judges on one step. */
function tables(judges: number): StepLabel[][] {
  if (judges === 0) return [[]];
  return tables(judges - 1).flatMap((rest) => LABELS.map((label) => [...rest, label]));
}

/** The rule on full votes decides, if it says the same however the abstentions are filled in. */
function byCompletion(votes: readonly StepLabel[], isRight: (rights: boolean[]) => boolean): StepLabel {
  let fillings: boolean[][] = [[]];
  for (const vote of votes) {
    const ways = vote === 'abstain' ? [true, false] : [vote === 'right'];
    fillings = fillings.flatMap((rest) => ways.map((way) => [...rest, way]));
  }
  const results = new Set(fillings.map(isRight));
  if (results.size === 2) return 'abstain';
  return results.has(true) ? 'right' : 'wrong';
}

const rights = (votes: boolean[]) => votes.filter(Boolean).length;
const one = (votes: StepLabel[], rule: ConsensusRule) =>
  consensus(
    votes.map((vote) => [vote]),
    rule,
    { judges: votes.map((_, i) => `j${i}`) },
  )[0];

describe('rules that count', () => {
  const cases: [string, ConsensusRule, (votes: boolean[]) => boolean][] = [
    ['unanimity', 'unanimity', (votes) => votes.every(Boolean)],
    ['any', 'any', (votes) => votes.some(Boolean)],
    ['majority', 'majority', (votes) => 2 * rights(votes) > votes.length],
    ['atLeast 1', { atLeast: 1 }, (votes) => rights(votes) >= 1],
  ];
  it.each(cases)(
    '%s: every table of up to four judges, abstentions filled in both ways',
    (_, rule, isRight) => {
      for (const judges of [1, 2, 3, 4]) {
        for (const votes of tables(judges)) {
          expect(one(votes, rule), votes.join()).toBe(byCompletion(votes, isRight));
        }
      }
    },
  );

  it('atLeast 2 and weights: every table of three and four judges', () => {
    const weights = { j0: 3, j1: 1, j2: 1.5 };
    const own = [3, 1, 1.5, 0];
    for (const votes of [...tables(3), ...tables(4)]) {
      expect(one(votes, { atLeast: 2 })).toBe(byCompletion(votes, (given) => rights(given) >= 2));
      for (const share of [0, 0.4, 0.5, 0.9]) {
        const isRight = (given: boolean[]) =>
          given.reduce((sum, right, i) => sum + (right ? own[i]! : 0), 0) > share * 5.5;
        expect(one(votes, { weights, share }), `${votes} at ${share}`).toBe(byCompletion(votes, isRight));
      }
    }
  });

  it('are ordered: any is right wherever majority is, and majority wherever unanimity is', () => {
    for (const votes of tables(4)) {
      if (one(votes, 'unanimity') === 'right') expect(one(votes, 'majority')).toBe('right');
      if (one(votes, 'majority') === 'right') expect(one(votes, 'any')).toBe('right');
    }
  });
});

it('veto: an error wins, an abstention is no objection', () => {
  const table: [string, StepLabel][] = [
    ['right right', 'right'],
    ['right wrong', 'wrong'],
    ['right abstain', 'right'],
    ['wrong right', 'wrong'],
    ['wrong wrong', 'wrong'],
    ['wrong abstain', 'wrong'],
    ['abstain right', 'right'],
    ['abstain wrong', 'wrong'],
    ['abstain abstain', 'abstain'],
  ];
  for (const [votes, expected] of table)
    expect(one(votes.split(' ') as StepLabel[], 'veto'), votes).toBe(expected);
});

it('first: one judge alone', () => {
  for (const votes of tables(3)) expect(one(votes, { first: 'j1' })).toBe(votes[1]);
});

describe('twoThresholds', () => {
  const rule = { twoThresholds: { judge: 'prm', low: 0.3, high: 0.8, between: 'llm' } };
  const at = (score: number | null, llm: StepLabel) =>
    consensus([['abstain'], [llm]], rule, { judges: ['prm', 'llm'], scores: [[score], [null]] })[0];

  it('asks the other judge only between', () => {
    for (const label of LABELS) {
      expect(at(0.8, label)).toBe('right');
      expect(at(0.29, label)).toBe('wrong');
      expect(at(0.3, label)).toBe(label);
      expect(at(0.79, label)).toBe(label);
      expect(at(null, label)).toBe('abstain');
    }
  });

  it('takes the scores from stored verdicts', () => {
    const row = (judge_id: string, k: number, label: 1 | 0 | -1, score: number | null): StepVerdict => ({
      ...{ rollout_id: 'r', segmenter_id: 's', k, judge_id, label, score, scope: 'prefix' },
    });
    const rows = [
      row('prm', 0, 1, 0.9),
      row('prm', 1, 1, 0.6),
      row('llm', 0, 0, null),
      row('llm', 1, 0, null),
    ];
    expect(consensusView(rows, { rule }).get('r')).toEqual(['right', 'wrong']);
  });
});

describe('gate', () => {
  const view = (labels: string[]) =>
    consensus(
      labels.map((own) => [...own].map((c) => LABELS['rwa'.indexOf(c)]!)),
      { gate: {} },
    )
      .map((label) => label[0])
      .join('');

  it.each([
    ['the same first error', ['rrwr', 'rrww'], 'rrww'],
    ['no error by either', ['rrr', 'rrr'], 'rrr'],
    ['different first errors', ['rrwr', 'rwwr'], 'aaaa'],
    ['an error by one only', ['rrr', 'rrw'], 'aaa'],
    ['an abstention before the error', ['arw', 'rrw'], 'aaa'],
    ['an abstention where none is found', ['rra', 'rrr'], 'aaa'],
    ['an abstention after the error', ['rwa', 'rwr'], 'rwa'],
    ['a single judge', ['rwa'], 'rwa'],
  ])('%s', (_, labels, expected) => expect(view(labels)).toBe(expected));

  it('takes another rule for what it lets through', () => {
    const labels: StepLabel[][] = [
      ['wrong', 'right'],
      ['wrong', 'wrong'],
    ];
    expect(consensus(labels, { gate: { rule: 'any' } })).toEqual(['wrong', 'right']);
  });
});

it.each([
  ['an unknown name', 'most' as ConsensusRule],
  ['an empty object', {} as ConsensusRule],
  ['atLeast above the judges', { atLeast: 3 }],
  ['atLeast 0', { atLeast: 0 }],
  ['an unknown judge', { first: 'z' }],
  ['a weight below 0', { weights: { j0: -1 } }],
  ['no weight', { weights: {} }],
  ['a share of 1', { weights: { j0: 1 }, share: 1 }],
  ['thresholds out of order', { twoThresholds: { judge: 'j0', low: 0.8, high: 0.3, between: 'j1' } }],
  ['two judges for Dawid and Skene', { dawidSkene: {} }],
  ['a bad rule behind a gate', { gate: { rule: { atLeast: 9 } } }],
])('refuses %s', (_, rule) => {
  expect(() => one(['right', 'right'], rule)).toThrowError(
    expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT' }),
  );
});

it('refuses rules that name judges where there are no ids or scores', () => {
  expect(() => consensus([['right']], { first: 'a' })).toThrow('no ids');
  const rule = { twoThresholds: { judge: 'a', low: 0, high: 1, between: 'a' } };
  expect(() => consensus([['right']], rule, { judges: ['a'] })).toThrow('needs them');
});

import type { AnswerForm, FormOf } from './answer-form.ts';
import type { Compare } from './compare-answers.ts';
import { allOf, type Comparison, right, SYMBOLIC, unknown, wrong } from './comparison.ts';
import { rationalsEqual } from './rational.ts';
import { readNormalized } from './read-answer.ts';
import { readDecimal } from './written-number.ts';

type Group = FormOf<'group'>;

export function compareGroups(goldGroup: Group, givenGroup: Group, compare: Compare): Comparison {
  const gold = goldGroup.brackets.startsWith('(') ? goldGroup : assignedTuple(goldGroup, givenGroup);
  const given = givenGroup.brackets.startsWith('(') ? givenGroup : assignedTuple(givenGroup, goldGroup);
  const unordered = (group: Group): boolean => group.brackets === '' || group.brackets === '{}';
  if (unordered(gold) && unordered(given)) {
    return compareAssignments(gold, given, compare) ?? compareSets(gold.parts, given.parts, compare);
  }
  if (gold.parts.length !== given.parts.length) return wrong('length-differs');
  const results = gold.parts.map((part, index) => compare(part, given.parts[index]!));
  const result = allOf(results, { right: 'members-equal', wrong: 'member-differs' });
  // (0, 1) and [0, 1] may be two intervals or one pair: only equal brackets make equal answers.
  const alike = gold.brackets === given.brackets || gold.brackets === '' || given.brackets === '';
  return result.verdict === 'right' && !alike ? unknown(SYMBOLIC) : result;
}

/** Two systems that give a value to each of the same names: by name. Null for anything else. */
function compareAssignments(gold: Group, given: Group, compare: Compare): Comparison | null {
  const [a, b] = [assignments(gold), assignments(given)];
  if (a === null || b === null || a.size !== b.size || a.size < 2) return null;
  if ([...a.keys()].some((name) => !b.has(name))) return null;
  const results = [...a].map(([name, value]) =>
    compare(readNormalized(value, 0), readNormalized(b.get(name)!, 0)),
  );
  return allOf(results, { right: 'assignments-equal', wrong: 'assignment-differs' });
}

/** "x = 1, y = 2" as names with values; null where a part is something else or a name comes twice. */
function assignments(group: Group): Map<string, string> | null {
  const values = new Map<string, string>();
  for (const part of group.parts) {
    const simple = part.kind === 'relation' && part.sides.length === 2 && part.operators[0] === '=';
    if (!simple || !/^[a-zA-Z]$/.test(part.sides[0]!) || values.has(part.sides[0]!)) return null;
    values.set(part.sides[0]!, part.sides[1]!);
  }
  return values;
}

/** "x = 1, y = 2" beside a tuple is (1, 2), where the names are in the order of the alphabet. */
function assignedTuple(group: Group, other: Group): Group {
  if (group.brackets !== '' || !other.brackets.startsWith('(')) return group;
  const values = assignments(group);
  const names = [...(values?.keys() ?? [])];
  if (values === null || names.some((name, index) => index > 0 && names[index - 1]! > name)) return group;
  const parts = [...values.values()].map((value) => readNormalized(value, 0));
  return { ...group, brackets: other.brackets, parts };
}

/** Every member of each has an equal in the other; how often a member is written does not count. */
export function compareSets(
  gold: readonly AnswerForm[],
  given: readonly AnswerForm[],
  compare: Compare,
): Comparison {
  const table = gold.map((a) => given.map((b) => compare(a, b)));
  const columns = given.map((_, column) => table.map((row) => row[column]!));
  const lines = [...table, ...columns];
  if (lines.every((line) => line.some(({ verdict }) => verdict === 'right'))) return right('set-equal');
  if (lines.some((line) => line.every(({ verdict }) => verdict === 'wrong'))) return wrong('set-differs');
  return lines.flat().find(({ verdict }) => verdict === 'unknown') ?? unknown(SYMBOLIC);
}

export function compareMatrices(
  { rows: gold }: FormOf<'matrix'>,
  { rows: given }: FormOf<'matrix'>,
  compare: Compare,
): Comparison {
  if (gold.length !== given.length || gold[0]!.length !== given[0]!.length) return wrong('shape-differs');
  const results = gold.flatMap((row, i) => row.map((entry, j) => compare(entry, given[i]![j]!)));
  return allOf(results, { right: 'entries-equal', wrong: 'entry-differs' });
}

/** A column or row beside a tuple is the same vector; null for anything else. */
export function compareVectors(gold: AnswerForm, given: AnswerForm, compare: Compare): Comparison | null {
  const [a, b] = [entriesOf(gold), entriesOf(given)];
  if (a === null || b === null) return null;
  if (a.length !== b.length) return wrong('length-differs');
  const results = a.map((entry, index) => compare(entry, b[index]!));
  return allOf(results, { right: 'vectors-equal', wrong: 'entry-differs' });
}

function entriesOf(form: AnswerForm): AnswerForm[] | null {
  if (form.kind === 'group') return form.brackets === '()' ? form.parts : null;
  if (form.kind !== 'matrix') return null;
  return form.rows.length === 1 || form.rows[0]!.length === 1 ? form.rows.flat() : null;
}

/** 3:4 is 6:8, unless the two may be times of the day. */
export function compareRatios(gold: FormOf<'ratio'>, given: FormOf<'ratio'>): Comparison {
  const [a, b] = [
    gold.terms.map((term) => readDecimal(term)!),
    given.terms.map((term) => readDecimal(term)!),
  ];
  if (a.length !== b.length) return wrong('ratio-differs');
  if (a.every((term, index) => rationalsEqual(term, b[index]!))) {
    if (gold.clock === given.clock) return right('ratio-equal');
    return gold.clock === null || given.clock === null ? unknown('clock') : wrong('clock-differs');
  }
  const [a0, b0] = [a[0]!, b[0]!];
  const proportional = a.every(
    (term, index) =>
      term.num * b0.num * b[index]!.den * a0.den === b[index]!.num * a0.num * term.den * b0.den,
  );
  if (!proportional || gold.clock !== null || given.clock !== null) return wrong('ratio-differs');
  const isTime = ({ terms }: FormOf<'ratio'>): boolean =>
    terms.slice(1).every((term) => /^[0-5]\d$/.test(term));
  return isTime(gold) && isTime(given) ? unknown('clock') : right('ratio-equal');
}

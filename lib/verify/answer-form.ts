import type { Expression } from './expression.ts';
import type { Unit } from './units.ts';
import type { WrittenNumber } from './written-number.ts';

/** What an answer is, as far as these rules can tell; `text` is its normalised text. */
export type AnswerForm = { text: string } & (
  | { kind: 'number'; number: WrittenNumber }
  | { kind: 'infinity'; negative: boolean }
  // No symbol in it, and not known to be rational. `bare` is its text without the unit.
  | { kind: 'constant'; expression: Expression; bare: string; unit: Unit | null }
  | { kind: 'expression'; expression: Expression }
  | { kind: 'choice'; letter: string }
  | { kind: 'group'; brackets: string; joiner: Joiner; parts: AnswerForm[] } // brackets '' for a bare list "a, b"
  | { kind: 'intervals'; intervals: Interval[] } // certainly intervals: half open, unbounded, or joined by ∪
  | { kind: 'matrix'; rows: AnswerForm[][] }
  | { kind: 'relation'; sides: string[]; operators: RelationOperator[] }
  | { kind: 'ratio'; terms: string[]; clock: string | null } // 3:4, or the time 3:40 pm
  | { kind: 'prose' }
  | { kind: 'symbolic' } // mathematics that is not read further
);

export type FormOf<K extends AnswerForm['kind']> = Extract<AnswerForm, { kind: K }>;

/** What stood between the parts of a bare list. */
export type Joiner = ',' | 'and' | 'or';

export type RelationOperator = '=' | '<' | '>' | '\\le' | '\\ge' | '\\ne' | '\\in';

/** Endpoints are numbers, constants, expressions or infinities. */
export interface Interval {
  lower: AnswerForm;
  upper: AnswerForm;
  lowerClosed: boolean;
  upperClosed: boolean;
}

export const MAX_PARTS = 64;
export const MAX_DEPTH = 8;

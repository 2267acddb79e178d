import type { MathToken, RelationKind } from './math-token.ts';

/** A side of a relation, as tokens. */
export type Operand = readonly MathToken[];

/** What stands at the outer end of the first or the last operand of a run. */
export type Edge =
  | { kind: 'unclear' }
  | { kind: 'bracket' }
  /** Position in the token list of the boundary or word; before the first or past the last token at the text's ends. */
  | { kind: 'token'; at: number };

/** `a = b ≈ c` as operands and the relations between them. */
export interface EquationRun {
  operands: Operand[];
  relations: RelationKind[];
  left: Edge;
  right: Edge;
}

/** Cuts the tokens at boundaries and words, then at the brackets that enclose a relation, into runs of operands. */
export function equationRuns(tokens: readonly MathToken[]): EquationRun[] {
  const runs: EquationRun[] = [];
  let start = 0;
  for (let i = 0; i <= tokens.length; i++) {
    const type = tokens[i]?.type;
    if (type !== undefined && type !== 'boundary' && type !== 'word') continue;
    if (i > start) for (const run of segmentRuns(tokens, start, i)) runs.push(run);
    start = i + 1;
  }
  return runs;
}

function segmentRuns(tokens: readonly MathToken[], start: number, end: number): EquationRun[] {
  const cuts = cuttingBrackets(tokens, start, end);
  if (cuts === null) return [];
  const runs: EquationRun[] = [];
  let run = emptyRun({ kind: 'token', at: start - 1 });
  let from = start;
  for (let i = start; i <= end; i++) {
    const token = tokens[i];
    const atEnd = i === end;
    if (!atEnd && token?.type === 'relation') {
      run.operands.push(tokens.slice(from, i));
      run.relations.push(token.relation);
      from = i + 1;
    } else if (atEnd || cuts.has(i)) {
      run.operands.push(tokens.slice(from, i));
      run.right = atEnd ? { kind: 'token', at: end } : bracketEdge(tokens, i, start, end);
      if (run.relations.length > 0) runs.push(run);
      if (!atEnd) run = emptyRun(bracketEdge(tokens, i, start, end));
      from = i + 1;
    }
  }
  return runs;
}

/**
 * Positions of brackets that do not group an operand: unmatched ones and pairs around a relation. Null where the
 * segment holds no relation. Each bracket is marked once, so a deep nest stays linear.
 */
function cuttingBrackets(tokens: readonly MathToken[], start: number, end: number): Set<number> | null {
  const open: { at: number; cut: boolean }[] = [];
  const cuts = new Set<number>();
  let relations = 0;
  for (let i = start; i < end; i++) {
    const token = tokens[i]!;
    if (token.type === 'open') open.push({ at: i, cut: false });
    else if (token.type === 'relation') {
      relations++;
      for (let k = open.length - 1; k >= 0 && !open[k]!.cut; k--) open[k]!.cut = true;
    } else if (token.type === 'close') {
      const partner = open.pop();
      if (partner === undefined) cuts.add(i);
      else if (partner.cut) cuts.add(partner.at).add(i);
    }
  }
  for (const { at } of open) cuts.add(at);
  return relations === 0 ? null : cuts;
}

/** A cutting bracket ends an operand cleanly unless something is glued to its outer side. */
function bracketEdge(tokens: readonly MathToken[], at: number, start: number, end: number): Edge {
  const bracket = tokens[at]!;
  const outer = bracket.type === 'open' ? at - 1 : at + 1;
  if (outer < start || outer >= end) return { kind: 'bracket' };
  const neighbour = tokens[outer]!;
  if (neighbour.type === 'relation') return { kind: 'bracket' };
  // "= 7 (since …": prose in parentheses after a number.
  const spaced = bracket.type === 'open' && bracket.start > neighbour.end;
  const prose = spaced && tokens[at + 1]?.type === 'word' && neighbour.type === 'number';
  return prose ? { kind: 'token', at: at + 1 } : { kind: 'unclear' };
}

function emptyRun(left: Edge): EquationRun {
  return { operands: [], relations: [], left, right: { kind: 'unclear' } };
}

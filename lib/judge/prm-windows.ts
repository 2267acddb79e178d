/** Steps [from, to) shown in one request; those from `scored` on are new, those before it are their context. */
export interface PrmWindow {
  from: number;
  scored: number;
  to: number;
}

export interface PrmWindows {
  windows: PrmWindow[];
  /** Steps that do not fit a window even alone. They are never cut; nothing after them sees them. */
  tooLong: Set<number>;
}

/**
 * Windows over the steps of a response so that each step is new in exactly one. `costs` holds the tokens of each step
 * with its separator, `room` the tokens left for steps beside template and problem. Every window but the first opens
 * with earlier steps, as many as fit `tail` tokens; it is shorter where the next step would not fit otherwise.
 */
export function planWindows(costs: readonly number[], room: number, tail: number): PrmWindows {
  const windows: PrmWindow[] = [];
  const tooLong = new Set<number>();
  let next = 0;
  while (next < costs.length) {
    if (costs[next]! > room) {
      tooLong.add(next++);
      continue;
    }
    const scored = next;
    let from = scored;
    let used = costs[scored]!;
    const context = Math.min(tail, room - used);
    // It ends at a step that is too long: such a step fits no tail.
    for (let held = 0; from > 0 && held + costs[from - 1]! <= context; ) {
      from--;
      held += costs[from]!;
      used += costs[from]!;
    }
    next++;
    while (next < costs.length && used + costs[next]! <= room) used += costs[next++]!;
    windows.push({ from, scored, to: next });
  }
  return { windows, tooLong };
}

/**
 * Tokens of a text by an estimate that errs high for byte-pair vocabularies: a digit, a sign and a line break count as
 * one each, letters as one for every three begun of a word, and anything beyond ASCII as two for every UTF-16 unit.
 */
export function estimateTokensHigh(text: string): number {
  let tokens = 0;
  for (const [run] of text.matchAll(/[A-Za-z]+|[ \t]+|[\0-\x7f]|[^\0-\x7f]+/g)) {
    if (/^[A-Za-z]/.test(run)) tokens += Math.ceil(run.length / 3);
    else if (run.charCodeAt(0) > 0x7f) tokens += 2 * run.length;
    // A single space belongs to the word after it.
    else tokens += run === ' ' ? 0 : 1;
  }
  return tokens;
}

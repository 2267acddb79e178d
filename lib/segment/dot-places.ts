/** Dots that end nothing: in "e.g.", "1.", "3.14", a URL, an ellipsis. */

/** How far back from a place the patterns look. */
export const LOOK_BACK = 64;

export const ELLIPSIS = /(?:\.\.|…)["')\]]?$/;

/** "A." may be an initial as well as the end of a sentence. */
export const INITIAL = /(?:^|[\s(])[A-Z]\.$/;

const ABBREVIATION =
  /(?:^|[\s(])(?:e\.g|i\.e|etc|vs|cf|al|approx|resp|Fig|Figs|Eq|Eqs|Sec|Ch|No|Nos|Thm|Prop|Def|Ex|Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr)\.$/;
const LIST_LABEL = /(?:^|\n)[ \t>*#-]*(?:\*\*)?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,4})[.)](?:\*\*)?$/;

/** Whether a text ends in an abbreviation or in the label of a list item. */
export function isLabel(before: string): boolean {
  return ABBREVIATION.test(before) || LIST_LABEL.test(before);
}

/** Whether a cut here would part a label, before the whitespace in front of the place, from what it belongs to. */
export function endsInLabel(text: string, at: number): boolean {
  let end = at;
  while (end > 0 && at - end < LOOK_BACK && /\s/.test(text[end - 1]!)) end--;
  return isLabel(text.slice(Math.max(0, end - LOOK_BACK), end));
}

/** Whether a cut here would split a word, a number ("3.|14"), "e.|g.", an ellipsis, a URL or a tag, or precede a dot. */
export function splitsWord(text: string, at: number): boolean {
  const before = text.slice(Math.max(0, at - LOOK_BACK), at);
  const after = text.slice(at, at + LOOK_BACK);
  if (/^\s/.test(after) || /\s$/.test(before)) return false;
  // Scripts that are written without spaces are left to the model.
  if (/[A-Za-z0-9]$/.test(before) && /^[A-Za-z0-9]/.test(after)) return true;
  if (/^[.,]/.test(after)) return true;
  if (/\d[.,]$/.test(before) && /^\d/.test(after)) return true;
  if (/[A-Za-z]\.$/.test(before) && /^[a-z]/.test(after)) return true;
  if (/<[/|]*\w*\|?$/.test(before) && /^[/|]*\w*\|?>/.test(after)) return true;
  const word = (/[!-~]*$/.exec(before)?.[0] ?? '') + (/^[!-~]*/.exec(after)?.[0] ?? '');
  return /:\/\/|^\(?www\./.test(word);
}

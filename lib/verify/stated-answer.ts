/** Not a JSON key, whose value may be cut off. */
const MENTION = /\banswer\b(?!["'])/gi;
const LEAD =
  /^(?:\*\*|__)?(?:\s{0,4}(?:is|are|was|equals|=)(?:\s{1,4}(?:indeed|therefore|thus|simply|just|clearly|actually))?)?\s{0,4}[:：]?(?:\*\*|__)?\s{0,8}/;
const MAX_STATED = 300;

/** The last "final answer is X" or "final answer: X" of the text. */
export function finalAnswer(text: string): string | null {
  return lastStatement(text, true);
}

/** The last "answer: X", "answer is X" or "answer X" of the text. */
export function statedAnswer(text: string): string | null {
  return lastStatement(text, false);
}

function lastStatement(text: string, finalOnly: boolean): string | null {
  let found: string | null = null;
  for (const match of text.matchAll(MENTION)) {
    const final = /final\s{1,4}$/i.test(text.slice(Math.max(0, match.index - 12), match.index));
    if (finalOnly && !final) continue;
    const from = match.index + match[0].length;
    const tail = text.slice(from, from + MAX_STATED);
    const lead = LEAD.exec(tail)?.[0] ?? '';
    const explicit = /[:：]/.test(lead) || (final && lead.trim() !== '');
    const stated = firstStatement(tail.slice(lead.length));
    if (stated !== '' && (explicit ? true : looksLikeValue(stated, lead))) found = stated;
  }
  return found;
}

/** Without a colon, "the answer is correct" and "answer this question" are prose about the answer, not an answer. */
function looksLikeValue(stated: string, lead: string): boolean {
  if (/^(?:\$|\\\(|\\\[|\\boxed|-?\d|["'`[({*])/.test(stated)) return true;
  return /\bis\b/.test(lead) && (/[\d\\]/.test(stated) || /^[A-J]$/.test(stated));
}

/** Up to the end of the line or of the sentence; mathematics in delimiters is taken whole. */
function firstStatement(tail: string): string {
  const line = (tail.trimStart().split('\n', 1)[0] ?? '').trim();
  for (const [open, close] of DELIMITERS) {
    if (!line.startsWith(open)) continue;
    const end = line.indexOf(close, open.length);
    if (end > 0) return line.slice(open.length, end).trim();
  }
  const sentence = /^(?:[^.!?]|[.!?](?=\S))*/.exec(line)?.[0] ?? line;
  return sentence.replace(/^(?:\*\*|__|`)|(?:\*\*|__|`)$/g, '').trim();
}

const DELIMITERS: readonly (readonly [string, string])[] = [
  ['$$', '$$'],
  ['$', '$'],
  ['\\(', '\\)'],
  ['\\[', '\\]'],
];

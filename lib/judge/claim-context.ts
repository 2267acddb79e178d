/** Residues, other bases and clock arithmetic make "3 * 5 = 1" true; their words anywhere before make "=" unsafe. */
const OTHER_ARITHMETIC =
  /\\p?b?mod\b|\bmod(?:ulo|ular|ulus)?\b|≡|\\equiv|congruen|remainder|\bbase[- ]?(?:\d|[a-z]\b|ten|two|\$|\\)|\bbinary\b|hexadecimal|\boctal\b|\bbits?\b|\bxor\b|concatenat|\bclock\b|\b(?:units?|ones|last|final)(?: \w+)? digits?\b|\bstrings?\b/i;

/** Whether a text works in an arithmetic other than that of the rational numbers. */
export function usesOtherArithmetic(text: string): boolean {
  return OTHER_ARITHMETIC.test(text);
}

/** Words that turn an equation into a question, a hypothesis or the very statement that it does not hold. */
const NOT_CLAIMED =
  /\b(?:not|isn't|doesn't|don't|didn't|can't|cannot|won't|wouldn't|never|wrong|incorrect(?:ly)?|false|mistake|error|impossible|contradict\w*|instead|suppose|assume|assuming|imagine|if|unless|whether|should|would|could|might|maybe|perhaps|try|trying|guess|but|no|too|close|hmm|wait|actually|operation|defined?|define|rule|pattern|approx\w*|about|roughly|around|nearly|almost|round\w*|estimat\w*|floor|ceil\w*|integer part|truncat\w*)\b|[?≠❌✗✘⌊⌈]|\\neq?\b|\\l?floor|\\lceil/i;
const SENTENCE_END = /[.?!;]\s|\n\s*(?=[^\s\\$a-z])|[?？]/g;
const REACH = 160;

/**
 * Whether the sentence around a span asserts what it says. Questions, conditions, negations and statements that are
 * taken back at once are not assertions; used only before calling an equation false. `next` is what follows the text.
 */
export function isAsserted(text: string, start: number, end: number, next = ''): boolean {
  const before = text.slice(Math.max(0, start - REACH), start);
  const after = (text.slice(end, end + REACH) + next.slice(0, REACH)).slice(0, REACH);
  const sentenceStart = lastEnd(before);
  // The sentence and the one after it: "3 + 4 = 8. No, that's wrong."
  const ends = [...after.matchAll(SENTENCE_END)];
  const sentenceEnd = ends[1] === undefined ? after.length : ends[1].index + 1;
  return !NOT_CLAIMED.test(before.slice(sentenceStart)) && !NOT_CLAIMED.test(after.slice(0, sentenceEnd));
}

function lastEnd(text: string): number {
  let end = 0;
  for (const match of text.matchAll(SENTENCE_END)) end = match.index + match[0].length;
  return end;
}

import type { Span } from './segmenter.ts';

const TAG = /<\/?(?:think|thinking|answer)>|<\|(?:begin|end)_of_(?:thought|solution)\|>/g;
const CLOSING = /^<\/|^<\|end/;

/**
 * Splits a text at the tags that separate the thought from the answer: before an opening tag, after a closing tag
 * and the whitespace that follows it. So every tag belongs to the zone it opens or closes. The spans cover the text.
 */
export function zones(text: string): Span[] {
  const spans: Span[] = [];
  let start = 0;
  const cut = (at: number): void => {
    // Whitespace alone is no zone: it stays with what follows at the start of the text, else with what precedes.
    if (at <= start || at >= text.length || text.slice(start, at).trim() === '') return;
    spans.push({ start, end: at });
    start = at;
  };
  for (const match of text.matchAll(TAG)) {
    if (CLOSING.test(match[0])) cut(skipWhitespace(text, match.index + match[0].length));
    else cut(match.index);
  }
  if (start < text.length) spans.push({ start, end: text.length });
  return spans;
}

export function skipWhitespace(text: string, from: number): number {
  let at = from;
  while (at < text.length && /\s/.test(text[at]!)) at++;
  return at;
}

import { type Break, Strength } from './sentence-breaks.ts';

/** A break after every line; a blank line stays with the line before it, or with the first line of the text. */
export function lineBreaks(text: string): Break[] {
  const breaks: Break[] = [];
  let lineStart = 0;
  let started = false;
  const close = (lineEnd: number): void => {
    if (text.slice(lineStart, lineEnd).trim() === '') return;
    if (started) breaks.push({ at: lineStart, strength: Strength.line });
    started = true;
  };
  for (const match of text.matchAll(/\r\n|\r|\n/g)) {
    close(match.index);
    lineStart = match.index + match[0].length;
  }
  close(text.length);
  return breaks;
}

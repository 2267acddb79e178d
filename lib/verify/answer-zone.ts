/** The part of a response that may hold its answer. */
export interface AnswerZone {
  text: string;
  /** True where the response was cut off inside its thought, so that `text` is thinking, not an answer. */
  unfinished: boolean;
}

const OPENING = ['<think>', '<thinking>', '<|begin_of_thought|>'];
const CLOSING = ['</think>', '</thinking>', '<|end_of_thought|>'];

/** The text after the last finished thought; the whole text where the response has no thought tags. */
export function answerZone(response: string): AnswerZone {
  let start = 0;
  for (const tag of CLOSING) {
    const at = response.lastIndexOf(tag);
    if (at >= 0) start = Math.max(start, at + tag.length);
  }
  const text = stripSpecialTokens(response.slice(start));
  return { text, unfinished: OPENING.some((tag) => text.includes(tag)) };
}

const BARS = ['|', '｜'];
const END_TAGS = ['</s>', '<eos>', '<end_of_turn>'];
const MAX_TOKEN_NAME = 64;

/** Removes end-of-turn tokens that servers leave in the text: `<|im_end|>`, `<｜end▁of▁sentence｜>`, `</s>`, … */
export function stripSpecialTokens(text: string): string {
  let end = text.trimEnd().length;
  for (;;) {
    const start = trailingTokenStart(text, end);
    if (start < 0) return text.slice(0, end);
    end = text.slice(0, start).trimEnd().length;
  }
}

function trailingTokenStart(text: string, end: number): number {
  for (const tag of END_TAGS) if (text.endsWith(tag, end)) return end - tag.length;
  if (text[end - 1] !== '>' || !BARS.includes(text[end - 2] ?? '')) return -1;
  const start = text.lastIndexOf('<', end - 1);
  const named = start >= 0 && end - start <= MAX_TOKEN_NAME && BARS.includes(text[start + 1] ?? '');
  return named && end - start > 4 ? start : -1;
}

/** What a process reward model is shown: the problem, and steps that each end with a separator to be scored at. */
export interface PrmTemplate {
  /** System message. */
  system: string;
  /** Ends a step; the model gives a score at each. One special token. */
  separator: string;
}

/** Qwen2.5-Math-PRM (arXiv 2501.07301): ChatML, with `<extra_0>` after every step. */
export const QWEN_PRM: PrmTemplate = {
  system: 'Please reason step by step, and put your final answer within \\boxed{}.',
  separator: '<extra_0>',
};

/** Tokens of the template that a text must not be able to write. */
const CONTROL = ['<|im_start|>', '<|im_end|>', '<|endoftext|>'];

/** How a text tokenises for the model; absent where the server does it. */
export interface PrmEncoding {
  /** Ids of a text, special tokens in it recognised, none added. */
  encode: (text: string) => ArrayLike<number>;
  separatorId: number;
}

/** The input of one request: a text, or token ids that no server can tokenise otherwise. */
export function prmInput(
  problem: string,
  steps: readonly string[],
  template: PrmTemplate,
  encoding: PrmEncoding | null,
): string | number[] {
  const [head, tail] = frame(problem, template);
  const shown = steps.map((step) => escapeStep(step, template));
  if (encoding === null) return `${head}${shown.map((step) => step + template.separator).join('')}${tail}`;
  const { encode, separatorId } = encoding;
  const ids = [
    ...Array.from(encode(head)),
    ...shown.flatMap((step) => [...Array.from(encode(step)), separatorId]),
  ];
  return [...ids, ...Array.from(encode(tail))];
}

/** What stands around the steps. */
export function frame(problem: string, template: PrmTemplate): [head: string, tail: string] {
  const head =
    `<|im_start|>system\n${template.system}<|im_end|>\n` +
    `<|im_start|>user\n${escapeStep(problem, template)}<|im_end|>\n<|im_start|>assistant\n`;
  return [head, '<|im_end|>\n'];
}

/** The text without separators or control tokens of its own: a space breaks each, "< extra_0>". */
export function escapeStep(text: string, { separator }: PrmTemplate): string {
  return [separator, ...CONTROL].reduce(breakUp, text);
}

function breakUp(text: string, token: string): string {
  const at = token.search(/\S/);
  const broken =
    at === -1 || at + 1 >= token.length ? ' ' : `${token.slice(0, at + 1)} ${token.slice(at + 1)}`;
  let out = text;
  // Again where breaking one occurrence has left another.
  while (out.includes(token)) out = out.replaceAll(token, broken);
  return out;
}

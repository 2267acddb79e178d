import { contentId } from '../data/ids.ts';
import type { Prompt } from '../data/records.ts';
import { type Random, randomInteger, seededRandom } from '../random.ts';
import { PieceTokenizer } from '../tokenizer/piece-tokenizer.ts';

/**
 * The generated task: chains of arithmetic modulo 13, worked out one operation a line. A prompt such as
 * `4+7*3-12:` is read from left to right; a response is
 *
 *     4+7=11
 *     11*3=8
 *     wait 11*3=7
 *     7-12=8
 *     answer 8
 *
 * where a `wait` line replaces the one before it. Every step and answer can be checked, errors propagate, and
 * self-correction is something the policy can do. Some facts are rare in the training text, so that a small policy
 * gets them wrong systematically and right steps inside wrong answers still teach.
 */
export const MODULUS = 13;
const OPERATIONS = ['+', '-', '*'] as const;
type Operation = (typeof OPERATIONS)[number];

export const EOS_ID = 21;
export const chainTokenizer = new PieceTokenizer(
  'chain-v1',
  [
    ...Array.from({ length: MODULUS }, (_, i) => String(i)),
    '+',
    '-',
    '*',
    '=',
    '\n',
    ':\n',
    'wait ',
    'answer ',
    '',
  ],
  EOS_ID,
);

export interface Chain {
  start: number;
  operations: { operation: Operation; operand: number }[];
}

export function evaluate(left: number, operation: Operation, right: number): number {
  const raw = operation === '+' ? left + right : operation === '-' ? left - right : left * right;
  return ((raw % MODULUS) + MODULUS) % MODULUS;
}

export function chainAnswer(chain: Chain): number {
  return chain.operations.reduce(
    (value, { operation, operand }) => evaluate(value, operation, operand),
    chain.start,
  );
}

export function chainPrompt(chain: Chain): string {
  return `${chain.start}${chain.operations.map(({ operation, operand }) => operation + operand).join('')}:\n`;
}

/** Reads a prompt back; null where the text is not one. */
export function parseChainPrompt(text: string): Chain | null {
  const match = /^(\d+)((?:[-+*]\d+)+):\n$/.exec(text);
  if (match === null) return null;
  const operations = [...match[2]!.matchAll(/([-+*])(\d+)/g)].map(([, operation, operand]) => ({
    operation: operation as Operation,
    operand: Number(operand),
  }));
  return { start: Number(match[1]), operations };
}

/** A chain whose operations and operands are uniform. */
export function uniformChain(random: Random, length: number): Chain {
  return {
    start: randomInteger(random, MODULUS),
    operations: Array.from({ length }, () => ({
      operation: OPERATIONS[randomInteger(random, OPERATIONS.length)]!,
      operand: randomInteger(random, MODULUS),
    })),
  };
}

export interface ChainTextOptions {
  /** Share of the 507 facts (a, operation, b) that the training text rarely shows. */
  rareShare: number;
  /** Chance that a rare fact, when drawn, is kept. */
  rareChance: number;
  /** Chance that a line is written wrong and then corrected by a `wait` line. */
  slipChance: number;
  minLength: number;
  maxLength: number;
}

export const CHAIN_TEXT: ChainTextOptions = {
  rareShare: 0.2,
  rareChance: 0.03,
  slipChance: 0.06,
  minLength: 3,
  maxLength: 6,
};

/** Which facts are rare: fixed by the seed. */
export function rareFacts(seed: number, share: number): Set<string> {
  const random = seededRandom(seed);
  const rare = new Set<string>();
  for (let a = 0; a < MODULUS; a++) {
    for (const operation of OPERATIONS) {
      for (let b = 0; b < MODULUS; b++) if (random() < share) rare.add(`${a}${operation}${b}`);
    }
  }
  return rare;
}

/** A chain as the training text draws it: rare facts are mostly drawn again. */
export function trainingChain(random: Random, rare: ReadonlySet<string>, options: ChainTextOptions): Chain {
  const length = options.minLength + randomInteger(random, options.maxLength - options.minLength + 1);
  const chain: Chain = { start: randomInteger(random, MODULUS), operations: [] };
  let value = chain.start;
  while (chain.operations.length < length) {
    const operation = OPERATIONS[randomInteger(random, OPERATIONS.length)]!;
    const operand = randomInteger(random, MODULUS);
    if (rare.has(`${value}${operation}${operand}`) && random() >= options.rareChance) continue;
    chain.operations.push({ operation, operand });
    value = evaluate(value, operation, operand);
  }
  return chain;
}

/** A worked-out response without its end token; slips are followed by their correction. */
export function chainResponse(chain: Chain, random: Random, slipChance: number): string {
  let value = chain.start;
  let text = '';
  for (const { operation, operand } of chain.operations) {
    const result = evaluate(value, operation, operand);
    if (random() < slipChance) {
      const wrong = (result + 1 + randomInteger(random, MODULUS - 1)) % MODULUS;
      text += `${value}${operation}${operand}=${wrong}\nwait `;
    }
    text += `${value}${operation}${operand}=${result}\n`;
    value = result;
  }
  return `${text}answer ${value}`;
}

/** `count` different prompts of one length, none of them in `exclude`. */
export function chainPrompts(
  count: number,
  length: number,
  seed: number,
  exclude?: ReadonlySet<string>,
): Prompt[] {
  const random = seededRandom(seed);
  const prompts = new Map<string, Prompt>();
  while (prompts.size < count) {
    const chain = uniformChain(random, length);
    const messages = [{ role: 'user', content: chainPrompt(chain) }];
    const groundTruth = String(chainAnswer(chain));
    const prompt_id = contentId({ messages, ground_truth: groundTruth });
    if (exclude?.has(prompt_id)) continue;
    prompts.set(prompt_id, {
      prompt_id,
      messages,
      data_source: 'lapidary/chains',
      reward_model: { style: 'math', ground_truth: groundTruth },
    });
  }
  return [...prompts.values()];
}

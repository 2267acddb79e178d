import { describe, expect, it } from 'vitest';
import { extractAnswer } from '../../lib/verify/extract-answer.ts';
import { verifyAnswer } from '../../lib/verify/verify-answer.ts';
import { seededRandom } from '../random.ts';

describe('rules in order', () => {
  it.each([
    ['a box', 'so \\boxed{1} then \\boxed{\\frac{1}{2}} done', '\\frac{1}{2}', 'boxed'],
    ['a framed box', '\\fbox{7}', '7', 'boxed'],
    ['escaped braces', '\\boxed{\\{1, 2\\}}', '\\{1, 2\\}', 'boxed'],
    ['joined boxes', '$\\boxed{1}$ and $\\boxed{2}$', '1, 2', 'boxed'],
    ['distant boxes', '\\boxed{1} is what I said, now it is \\boxed{2}', '2', 'boxed'],
    ['a box that is cut off', '\\boxed{5} and then \\boxed{1', '5', 'boxed'],
    ['an empty box', '\\boxed{5} then \\boxed{}', '5', 'boxed'],
    ['a tag', '<think>x</think><answer> 12 </answer>', '12', 'answer-tag'],
    ['the last tag', '<answer>1</answer> no <answer>2</answer>', '2', 'answer-tag'],
    ['a box over a tag', '<answer>\\boxed{3}</answer>', '3', 'boxed'],
    ['a JSON string', '{"reasoning": "r", "answer": "17 hours"}', '17 hours', 'json-answer'],
    ['a JSON number', '```json\n{"answer": 1,234\n}\n```', '1,234', 'json-answer'],
    ['a JSON list', '{"answer": ["a", " b"], "x": 1}', '["a", " b"]', 'json-answer'],
    ['raw line breaks in JSON', '{"reasoning": "a\n\nb", "answer": "27"\n}\n```', '27', 'json-answer'],
    ['single quotes', "{'answer': \"[['a']]\"\n}", "[['a']]", 'json-answer'],
    ['quotes inside', '{"answer": "say "hi" now"}', 'say "hi" now', 'json-answer'],
    ['raw LaTeX in JSON', '{"answer": "\\pi"}', '\\pi', 'json-answer'],
    ['a final answer', 'The final answer is 42. I am done.', '42', 'final-answer'],
    ['a final answer over a later statement', 'Final answer: 3. I answer: 4', '3', 'final-answer'],
    ['the hoped-for final answer', 'The final answer is $x^2$. I hope it is correct.', 'x^2', 'final-answer'],
    ['mathematics at the end', 'so in the end we get $x + 1$.', 'x + 1', 'last-math'],
    ['displayed mathematics at the end', 'we get\n\\[\nx = 2 + y\n\\]', 'x = 2 + y', 'last-math'],
    ['a number after mathematics', 'as $x = 3$, there are 12.', '12', 'last-number'],
    ['an amount of dollars', 'He pays $5 and then she gets $6.', '6', 'last-number'],
    ['a label', '**Answer:** 3.5 apples\nbye', '3.5 apples', 'stated-answer'],
    ['mathematics in a statement', 'so the answer is $x + 1$. Good', 'x + 1', 'stated-answer'],
    ['a bare statement', 'Answer 12', '12', 'stated-answer'],
    ['the last statement', 'answer: 3. No, answer: 4', '4', 'stated-answer'],
    ['a label before a line', 'Answer:\n{1: 2}', '{1: 2}', 'stated-answer'],
    ['the last number', 'There were 12.\nSo 1,250 remain.', '1,250', 'last-number'],
    ['a number alone', 'So:\n42', '42', 'last-number'],
    ['a special token', '\\boxed{5}.<｜end▁of▁sentence｜>', '5', 'boxed'],
    ['special tokens after a number', 'It is 5.<|im_end|>\n<|endoftext|></s>', '5', 'last-number'],
  ])('finds %s', (_, response, text, rule) => {
    expect(extractAnswer(response)).toEqual({ text, rule });
  });

  it.each([
    ['nothing', ''],
    ['blank', ' \n'],
    ['no value', 'The answer is correct'],
    ['a request', 'Please answer this question'],
    ['a number where the text was cut off', 'so that n = 12'],
    ['JSON cut off in its answer', '{"reasoning": "x", "answer": "12'],
    ['JSON cut off before its answer', '{"reasoning": "It is $50 - $3'],
    ['a box inside an unfinished thought', '<think>maybe \\boxed{5}. Wait,'],
    ['another unfinished thought', '<|begin_of_thought|>\n\\boxed{5}\n\nHmm'],
    ['a box inside a finished thought only', '<think>\\boxed{5}</think>I am done'],
  ])('finds none in %s', (_, response) => {
    expect(extractAnswer(response)).toBeNull();
  });

  it('takes a complete answer tag after a thought that was closed badly', () => {
    expect(extractAnswer('<think>\\boxed{5}\\end{think}\n<answer>6</answer>')).toEqual({
      text: '6',
      rule: 'answer-tag',
    });
  });
});

describe('any response', () => {
  const FRAGMENTS = [
    '\\boxed{',
    '}',
    '{',
    '<answer>',
    '</answer>',
    '<think>',
    '</think>',
    '"answer": ',
    "'",
    '"',
    '[',
    ']',
    '(',
    ')',
    ',',
    '5',
    '-',
    '/',
    '^',
    '\\frac',
    '\\sqrt',
    '\\pm',
    '=',
    ' and ',
    '\n',
    ' ',
    'answer is ',
    'Answer: ',
    '$',
    '%',
    '\\',
    '\ud800',
    '<|',
    '|>',
    'words here',
    '.',
    '\\text{',
    '0',
    'x',
    'π',
    '\0',
  ];

  it('never throws', () => {
    for (let seed = 1; seed <= 3000; seed++) {
      const random = seededRandom(seed);
      const response = Array.from({ length: random.int(0, 30) }, () => random.pick(FRAGMENTS)).join('');
      const gold = random.pick([
        '5',
        'x^2',
        "['a']",
        '(1, 2)',
        'no',
        "'s'",
        '{1: 2}',
        '1/2',
        'y = 2x',
        '\\pi',
      ]);
      expect(() => verifyAnswer(response, gold), `seed ${seed}: ${response}`).not.toThrow();
    }
  });

  it.each([
    '\\boxed{',
    '\\boxed{1} ',
    '{',
    '}',
    '<answer>',
    '</answer>',
    '"answer": ',
    '"answer": "',
    '"answer": [',
    'answer is ',
    'Answer: ',
    '9',
    '9,',
    '9,9',
    '1/',
    ' ',
    '\n',
    '<|',
    '|>',
    '<|a|>',
    '\\frac',
    '\\sqrt{',
    '(',
    '-',
    '=',
    '\\text{',
    '</think>',
    '<think>',
    '\\',
    '.',
    ' a',
    'a1 ',
  ])('may be 100,000 characters of %j: no rule is quadratic, or this would not end', (pattern) => {
    const long = pattern.repeat(Math.ceil(100_000 / pattern.length));
    for (const response of [long, `\\boxed{${long}}`, `<answer>${long}</answer>`, `${long}\n\\boxed{1}`]) {
      expect(() => verifyAnswer(response, '1')).not.toThrow();
    }
  });
});

import { describe, expect, it } from 'vitest';
import { checkConfig } from '../../lib/run/load-config.ts';

const GOOD = {
  name: 't',
  data: { source: 'chains', prompts: 2, samples_per_prompt: 2, operations: 1 },
  judges: [{ kind: 'llm', endpoint: 'http://127.0.0.1:1', model: 'm' }],
  train: { updates: 1, responses_per_update: 1, lr: 1 },
};
const message = (config: object): string => {
  try {
    checkConfig(config, 'run.toml');
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
};

describe('a key that the schema does not know', () => {
  it.each<[string, object, RegExp]>([
    ['at the top', { ...GOOD, jugdes: [] }, /^run\.toml: jugdes: unknown key; did you mean judges\?$/],
    [
      'in a section',
      { ...GOOD, train: { ...GOOD.train, udpates: 3 } },
      /train\.udpates: .*did you mean updates\?/,
    ],
    [
      'in a section that is left out otherwise',
      { ...GOOD, segment: { min_char: 3 } },
      /segment\.min_char: .*did you mean min_chars\?/,
    ],
    [
      'in the branch that another key chooses',
      { ...GOOD, data: { ...GOOD.data, operation: 3 } },
      /data\.operation: .*did you mean operations\?/,
    ],
    [
      'in one of a list',
      { ...GOOD, judges: [{ kind: 'chain' }, { ...GOOD.judges[0], modle: 'x' }] },
      /judges\.1\.modle: .*did you mean model\?/,
    ],
    ['that is like none', { ...GOOD, train: { ...GOOD.train, wibblewobble: 1 } }, /known here: updates, /],
    [
      'as the name of a judge',
      { ...GOOD, methods: [{ name: 'a', objective: 'bcpg', judges: ['lmm'] }] },
      /no judge is named lmm; did you mean llm\?/,
    ],
  ])('%s is named, with the nearest', (_where, config, expected) => {
    expect(message(config)).toMatch(expected);
  });

  it('and a good configuration is accepted', () => {
    expect(message(GOOD)).toBe('accepted');
  });
});

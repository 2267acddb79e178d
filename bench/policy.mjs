// Tokens a second of the built-in policy at the sizes of examples/demo.toml: training (forward, policy loss,
// backward, step) and sampling.
import { objectives } from '../dist/index.js';
import { packTokens } from '../dist/policy/pack.js';
import { Policy } from '../dist/policy/policy.js';
import { chainExamples } from '../dist/tasks/chain-examples.js';
import { chainPrompts, chainTokenizer, EOS_ID } from '../dist/tasks/chain-task.js';
import { train } from '../dist/train/train.js';

export async function benchPolicy() {
  const policy = new Policy({ vocab: 22, width: 64, layers: 3, heads: 4, mlpWidth: 172, maxContext: 96 });
  const options = {
    policy,
    examples: chainExamples(4000, 1),
    objective: objectives.rft(),
    responsesPerUpdate: 48,
  };
  await train({ ...options, updates: 20, lr: 3e-3, seed: 1 });
  const { tokens, seconds } = await train({ ...options, updates: 100, lr: 3e-3, seed: 2 });
  const prompts = packTokens(
    chainPrompts(256, 6, 1).map((p) => chainTokenizer.encode(p.messages[0].content)),
  );
  const started = performance.now();
  const samples = await policy.sample(prompts, {
    samplesPerPrompt: 8,
    maxNewTokens: 64,
    eosId: EOS_ID,
    seed: 1,
  });
  const sampled = samples.reduce((sum, sample) => sum + sample.ids.length, 0);
  return {
    'policy training': tokens / seconds,
    'policy sampling': sampled / ((performance.now() - started) / 1000),
  };
}

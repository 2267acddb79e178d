// Continuations a second of the Monte-Carlo judge on the demo's policy: node bench/continuations.mjs (after npm run build).
import { MonteCarloJudge } from '../dist/judge/monte-carlo-judge.js';
import { Policy } from '../dist/policy/policy.js';
import { seededRandom } from '../dist/random.js';
import {
  chainAnswer,
  chainPrompt,
  chainResponse,
  chainTokenizer,
  EOS_ID,
  uniformChain,
} from '../dist/tasks/chain-task.js';
import { PolicyContinuer } from '../dist/tasks/policy-continuer.js';
import { verifyAnswer } from '../dist/verify/verify-answer.js';

const RESPONSES = 3600;
const config = { vocab: 22, width: 64, layers: 3, heads: 4, mlpWidth: 172, maxContext: 128 };
const policy = new Policy(config, { seed: 1 });
const random = seededRandom(1);

// Chains that differ from the first operation on, so that no prefix is shared: the hardest case.
const requests = Array.from({ length: RESPONSES }, (_, i) => {
  const chain = uniformChain(random, 6);
  const steps = chainResponse(chain, random, 0.06).split(/(?<=\n)/);
  const ids = steps.map((step) => chainTokenizer.encode(step));
  const stepEnds = ids.map((_, k) => ids.slice(0, k + 1).flat().length);
  const problem = chainPrompt(chain);
  return {
    ...{ rolloutId: String(i), problem, groundTruth: String(chainAnswer(chain)), steps, stepEnds },
    ...{ promptIds: chainTokenizer.encode(problem), responseIds: ids.flat() },
  };
});

let sampling = 0;
const inner = new PolicyContinuer({ policy, policyId: 'bench', eosId: EOS_ID, maxNewTokens: 60 });
const continuer = {
  id: inner.id,
  async continueFrom(request) {
    const started = performance.now();
    const found = await inner.continueFrom(request);
    sampling += performance.now() - started;
    return found;
  },
};
const judge = new MonteCarloJudge({
  ...{ continuer, samples: 2, decode: (ids) => chainTokenizer.decode(ids) },
  verifier: { id: 'answer', verify: (response, gold) => verifyAnswer(response, gold).verdict },
});
const started = performance.now();
const cpu = process.cpuUsage();
let [continuations, tokens] = [0, 0];
for (let at = 0; at < requests.length; at += judge.batchSize) {
  for (const { judgements, usage } of await judge.judgeBatch(requests.slice(at, at + judge.batchSize))) {
    continuations += 2 * (judgements.length - 1);
    tokens += usage.completionTokens;
  }
}
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(cpu);
console.log(`${continuations} continuations, ${tokens} tokens, ${seconds.toFixed(1)} s`);
console.log(
  `${Math.round(continuations / seconds)} continuations/s, ${Math.round(tokens / seconds)} tokens/s`,
);
console.log(
  `sampling ${(sampling / 1000).toFixed(1)} s; processor time ${((user + system) / 1e6).toFixed(1)} s`,
);

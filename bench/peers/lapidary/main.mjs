// The library under test, behind the same protocol as its peers.
import { configureKernels } from '../../../dist/index.js';
import { serve } from '../serve.mjs';
import { linear } from './linear.mjs';
import { policyLoss } from './policy-loss.mjs';
import { token } from './token.mjs';

await serve({
  loaders: { token, linear, 'policy-loss': policyLoss },
  setThreads: (threads) => configureKernels({ threads }),
});

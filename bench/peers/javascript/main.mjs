// Plain loops over typed arrays, as one writes them without a native library; one thread.
import { serve } from '../serve.mjs';
import { policyLoss } from './policy-loss.mjs';
import { token } from './token.mjs';

await serve({ loaders: { token, 'policy-loss': policyLoss } });

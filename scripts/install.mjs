// Builds the CPU addon. Node's own headers are used when they lie beside its binary, so that nothing is
// downloaded; only where they are missing does node-gyp fall back to its own search.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const prefix = path.resolve(process.execPath, '..', '..');
const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
const args = [nodeGyp, 'rebuild', '--jobs=max'];
const env = { ...process.env };
// npm's environment beats node-gyp's own options: a nodedir set there is the user's, an empty one is none.
if (!env.npm_config_nodedir) {
  delete env.npm_config_nodedir;
  if (existsSync(path.join(prefix, 'include', 'node', 'node_api.h'))) args.push(`--nodedir=${prefix}`);
}
const { status, error } = spawnSync(process.execPath, args, { stdio: 'inherit', env });
if (error) throw error;
process.exit(status ?? 1);

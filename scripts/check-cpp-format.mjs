// Checks (or with --write mends) the C++ formatting with the pinned clang-format of node_modules.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const sources = readdirSync('native', { recursive: true })
  .filter((name) => /\.(c|cc|h|inc|cu|cuh)$/.test(name))
  .map((name) => path.join('native', name));
const tool = createRequire(import.meta.url).resolve('clang-format/index.js');
const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '--Werror'];
const { status, error } = spawnSync(process.execPath, [tool, ...mode, ...sources], { stdio: 'inherit' });
if (error) throw error;
process.exit(status ?? 1);

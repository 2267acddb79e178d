import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';

const text = (file) => {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return null;
  }
};

function revision() {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim();
  } catch {
    return null;
  }
}

/** What a reader needs to judge a figure. */
export function machine() {
  const pages = text('/sys/kernel/mm/transparent_hugepage/enabled');
  return {
    cpu: os.cpus()[0]?.model.trim(),
    cores: os.availableParallelism(),
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    virtual: /^flags.*\bhypervisor\b/m.test(text('/proc/cpuinfo') ?? ''),
    system: `${os.type()} ${os.release()}`,
    transparentHugePages: pages && /\[(\w+)\]/.exec(pages)?.[1],
    node: process.version,
    loadBefore: os.loadavg()[0],
    revision: revision(),
  };
}

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { addonLocation } from '../../lib/kernels/native.ts';
import { child, lapidary, node } from './child.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'lapidary-loader-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, contents: Uint8Array | string): string {
  const target = path.join(folder, name);
  writeFileSync(target, contents);
  return target;
}

const image = readFileSync(addonLocation().path);
/** The addon with some bytes changed. */
function damaged(change: (image: Buffer) => void): Buffer {
  const copy = Buffer.from(image);
  change(copy);
  return copy;
}

describe('the loader says which file it tried, what is wrong and what to do', () => {
  const linux = process.platform === 'linux';
  it.skipIf(!linux).each([
    ['a missing file', () => path.join(folder, 'none.node'), 'does not exist'],
    ['a file of another ending', () => file('addon.txt', ''), 'is no .node file'],
    ['an empty file', () => file('empty.node', ''), 'damaged, or of another platform'],
    ['a text', () => file('text.node', 'module.exports = 1'), 'damaged, or of another platform'],
    ['the beginning of an addon', () => file('begin.node', image.subarray(0, 40)), 'damaged, or of another'],
    [
      'the other word size',
      () =>
        file(
          'elf32.node',
          damaged((x) => (x[4] = 1)),
        ),
      'damaged, or of another',
    ],
    ['a folder', () => folder, 'is no .node file'],
  ])('%s named by LAPIDARY_ADDON', async (_, make, problem) => {
    const named = make();
    const { end, stderr } = await lapidary(['doctor'], { LAPIDARY_ADDON: named });
    expect(end).toBe(1);
    expect(stderr).toContain(`${named}, which LAPIDARY_ADDON names, `);
    expect(stderr).toContain(problem);
    expect(stderr).toContain(`${process.platform}-${process.arch}`);
    expect(stderr).toContain(`Node ${process.version}`);
    expect(stderr).toContain('Unset LAPIDARY_ADDON');
  });

  it('LAPIDARY_ADDON wins over the build folder, and doctor says so', async () => {
    const named = file('mine.node', image);
    const { end, stdout } = await lapidary(['doctor', '--json'], { LAPIDARY_ADDON: named });
    expect(end).toBe(0);
    expect(JSON.parse(stdout).kernels.addon).toMatchObject({ path: named, foundBy: 'LAPIDARY_ADDON' });
  });

  it('a package that was never built, or whose build is damaged', async () => {
    const root = path.join(folder, 'package');
    mkdirSync(root);
    cpSync('dist', path.join(root, 'dist'), { recursive: true });
    cpSync('package.json', path.join(root, 'package.json'));
    symlinkSync(path.resolve('node_modules'), path.join(root, 'node_modules'));
    const doctor = () => node([path.join(root, 'dist', 'cli', 'main.js'), 'doctor'], { LAPIDARY_ADDON: '' });
    const unbuilt = await doctor();
    expect(unbuilt).toMatchObject({ end: 1, stderr: expect.stringContaining('none was found; tried ') });
    expect(unbuilt.stderr).toContain(path.join(root, 'build', 'Release', 'lapidary.node'));
    expect(unbuilt.stderr).toContain('npm run install');
    mkdirSync(path.join(root, 'build', 'Release'), { recursive: true });
    writeFileSync(path.join(root, 'build', 'Release', 'lapidary.node'), 'junk');
    const broken = await doctor();
    expect(broken).toMatchObject({ end: 1, stderr: expect.stringContaining('damaged, or of another') });
    expect(broken.stderr).toContain('npm run install');
  });

  it('an addon of another ABI version', async () => {
    const { end, stdout } = await child('other-abi.mjs');
    expect({ end, stdout }).toEqual({
      end: 0,
      stdout: expect.stringMatching(/^ERR_LAPIDARY_ADDON .* has ABI version 999; this package needs \d+\./),
    });
  });
});

describe('the environment', () => {
  it.each([
    ['LAPIDARY_THREADS', 'three', 'expected a whole number from 0 to 4096, got "three"'],
    ['LAPIDARY_THREADS', '-1', 'expected a whole number'],
    ['LAPIDARY_THREADS', '5000', 'expected a whole number'],
    ['LAPIDARY_IMPLEMENTATION', 'abacus', 'got "abacus"'],
  ])('%s=%s is refused by name', async (name, value, problem) => {
    const { end, stderr } = await lapidary(['doctor'], { [name]: value });
    expect(end).toBe(1);
    expect(stderr).toContain(`${name}: `);
    expect(stderr).toContain(problem);
  });

  it('chooses threads and implementation where the program does not', async () => {
    const env = { LAPIDARY_THREADS: '3', LAPIDARY_IMPLEMENTATION: 'portable' };
    const { stdout } = await lapidary(['doctor', '--json'], env);
    const { kernels, environment } = JSON.parse(stdout);
    expect(environment).toMatchObject(env);
    expect(kernels.threads).toBe(3);
    expect(kernels.implementations).toContainEqual({
      ...{ name: 'portable', supported: true, chosen: true, reason: 'in use' },
    });
    const script = `import { configureKernels, devices } from ${JSON.stringify(path.resolve('dist/index.js'))};
      const seen = () => [devices()[0].threads, devices()[0].implementation].join(' ');
      configureKernels({}); const left = seen();
      configureKernels({ threads: 2 }); console.log(left, '|', seen());`;
    const chosen = await node(['--input-type=module', '-e', script], env);
    expect(chosen.stdout).toBe('3 portable | 2 portable');
  });
});

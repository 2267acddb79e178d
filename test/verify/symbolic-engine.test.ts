import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { ComputeEngineSymbolic } from '../../lib/verify/symbolic-engine.ts';
import { verifyAnswerWith } from '../../lib/verify/verify-answer-with.ts';

const engine = new ComputeEngineSymbolic({ timeoutMs: 20_000 });
afterAll(() => engine[Symbol.asyncDispose]());
const solver = (name: string): URL => new URL(`solvers/${name}.mjs`, import.meta.url);

describe('equal and different', () => {
  it.each([
    ['2\\sqrt2', '\\sqrt8', 'equal'],
    ['\\sin^2 x+\\cos^2 x', '1', 'equal'],
    ['e^{i\\pi}', '-1', 'equal'],
    ['\\sqrt[3]{2+\\sqrt5}+\\sqrt[3]{2-\\sqrt5}', '1', 'equal'],
    ['\\cos\\frac{\\pi}{5}', '\\frac{1+\\sqrt5}{4}', 'equal'],
    ['x^{100}-1', '(x^{50}-1)(x^{50}+1)', 'equal'],
    ['\\frac{1}{2004!}', '\\frac{1}{2006!}', 'different'], // the engine alone says equal
    ['\\sqrt{10^{40}+1}', '10^{20}', 'different'],
    ['e^{\\pi\\sqrt{163}}', '640320^3+744', 'different'], // they agree to 30 digits
    ['3^{2019}', '3^{2019}+1', 'different'],
    ['x^2-1', '(x-1)^2', 'different'],
    ['\\sqrt(2)', '4', 'different'],
    ['y=2x', '2y=4x', 'equal'],
    ['y=2x', '2y=5x', 'different'],
    ['x^2+y^2=25', 'x^2+y^2=16', 'different'],
    ['(x-1)^2=0', 'x=1', 'unknown'], // the same points, and no multiples of each other
    ['0=0', 'x=x', 'unknown'],
    ['\\sqrt{x^2}', 'x', 'unknown'], // equal for positive x only
    ['\\log 100', '2', 'unknown'], // to the base that the writer meant
    ['\\frac{\\log 8}{\\log 2}', '3', 'equal'], // to any base
    ['1/2x', '\\frac{x}{2}', 'unknown'], // two readings
    ['f(x)', 'fx', 'unknown'],
    ['\\int_0^1 x dx', '\\frac12', 'unknown'],
    ['\\frac{1}{x-x}', '\\frac{2}{x-x}', 'unknown'],
    ['9^{9^{9^{9}}}', '9^{9^{9^{9}}}+1', 'unknown'],
    [`${'('.repeat(500)}x`, 'x', 'unknown'],
  ])('%s and %s: %s', async (a, b, expected) => {
    expect(await engine.equal(a, b)).toBe(expected);
    expect(await engine.equal(b, a)).toBe(expected);
  });

  it('needs both opinions where only digits agree', async () => {
    await using refusing = new ComputeEngineSymbolic({ solver: solver('refusing'), timeoutMs: 20_000 });
    expect(await refusing.equal('2\\sqrt2', '\\sqrt8')).toBe('unknown');
    expect(await refusing.equal('x^2-1', '(x-1)(x+1)')).toBe('equal'); // exact rationals need no other opinion
    await using believing = new ComputeEngineSymbolic({ solver: solver('hanging'), timeoutMs: 20_000 });
    expect(await believing.equal('2\\sqrt2', '\\sqrt8+10^{-40}')).toBe('different');
    expect(await believing.equal('2\\sqrt2', '\\sqrt8+10^{-90}')).toBe('unknown');
  });
});

describe('a solver that misbehaves', () => {
  it('is ended, and the next question is answered', async () => {
    await using bad = new ComputeEngineSymbolic({ solver: solver('hanging'), timeoutMs: 5000, heapMb: 32 });
    // All in flight at once, in the order of asking.
    const results = await Promise.all([
      bad.equal('\\sqrt{13}+x-x', '\\sqrt{13}'),
      bad.equal('\\sqrt{2}+x-x', '\\sqrt{2}'),
      bad.equal('\\sqrt{19}+x-x', '\\sqrt{19}'),
      bad.equal('\\sqrt{23}+x-x', '\\sqrt{23}'),
      bad.equal('\\sqrt{3}+x-x', '\\sqrt{3}'),
    ]);
    expect(results).toEqual(['timeout', 'equal', 'unknown', 'unknown', 'equal']);
  });

  it('is ended where it allocates without end', async () => {
    await using bad = new ComputeEngineSymbolic({ solver: solver('hanging'), timeoutMs: 30_000, heapMb: 32 });
    expect(await bad.equal('\\sqrt{17}+x-x', '\\sqrt{17}')).toBe('memory');
    expect(await bad.equal('\\sqrt{2}+x-x', '\\sqrt{2}')).toBe('equal');
  });

  it('gives verdicts with rules', async () => {
    await using bad = new ComputeEngineSymbolic({ solver: solver('hanging'), timeoutMs: 5000 });
    const ask = (given: string, gold: string) => verifyAnswerWith(`\\boxed{${given}}`, gold, bad);
    expect(await ask('2\\sqrt{13}', '\\frac{26}{\\sqrt{13}}')).toMatchObject({
      verdict: 'unknown',
      rule: 'symbolic-timeout',
    });
    expect(await ask('2\\sqrt{3}', '\\sqrt{12}')).toMatchObject({ verdict: 'right', rule: 'symbolic-equal' });
    expect(await ask('x^2+1', 'x^2+2')).toMatchObject({ verdict: 'wrong', rule: 'symbolic-different' });
    expect(await ask('\\int x', '\\sum x')).toMatchObject({ verdict: 'unknown', rule: 'symbolic' });
  });

  it('fails loudly where it cannot be loaded', async () => {
    await using broken = new ComputeEngineSymbolic({ solver: solver('broken') });
    const problem = expect.objectContaining({
      code: 'ERR_LAPIDARY_STATE',
      message: expect.stringContaining('not for this machine'),
    });
    await expect(broken.equal('2\\sqrt2', '\\sqrt8')).rejects.toThrowError(problem);
    await expect(broken.equal('2\\sqrt2', '\\sqrt8')).rejects.toThrowError(problem);
  });

  it('is refused after dispose, and options are checked', async () => {
    const done = new ComputeEngineSymbolic();
    await done[Symbol.asyncDispose]();
    await expect(done.equal('2\\sqrt2', '\\sqrt8')).rejects.toThrowError(
      expect.objectContaining({ code: 'ERR_LAPIDARY_STATE' }),
    );
    expect(() => new ComputeEngineSymbolic({ timeoutMs: 0 })).toThrowError(
      expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument: 'timeoutMs' }),
    );
  });
});

describe('the compiled package', () => {
  // `npm test` builds first. The process must end by itself: nothing here disposes the engine.
  it('answers, and its process ends by itself', () => {
    const url = pathToFileURL(path.resolve('dist/verify/symbolic-engine.js')).href;
    const script = `const { ComputeEngineSymbolic } = await import(${JSON.stringify(url)});
      const engine = new ComputeEngineSymbolic({ timeoutMs: 20_000 });
      console.log(await engine.equal('2\\\\sqrt2', '\\\\sqrt8'), await engine.equal('\\\\sqrt2', '2'));`;
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 50_000,
    });
    expect([run.status, run.stdout.trim(), run.stderr]).toEqual([0, 'equal different', '']);
  });

  it('holds the worker where the code looks for it', async () => {
    const { files } = (await import('../../package.json', { with: { type: 'json' } })).default;
    expect(files).toEqual(expect.arrayContaining(['dist', 'lib']));
  });
});

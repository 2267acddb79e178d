import { afterAll, describe, expect, it } from 'vitest';
import { ComputeEngineSymbolic } from '../../lib/verify/symbolic-engine.ts';
import { verifyAnswerWith } from '../../lib/verify/verify-answer-with.ts';

const engine = new ComputeEngineSymbolic({ timeoutMs: 20_000 });
afterAll(() => engine[Symbol.asyncDispose]());

/** What users of other answer checkers reported, with the issue of huggingface/Math-Verify where it is one. */
describe('reported elsewhere', () => {
  it.each([
    ['4', '\\sqrt(2)', 'wrong', '#41: √2 taken for 4'],
    ['2', '\\sqrt(4)', 'right', '#41'],
    ['x+y=3', 'apples + pears = 4', 'unknown', '#60: text equations read as 0'],
    ['0', 'apples + pears = 4', 'wrong', '#60'],
    ['0', 'speed = distance / time', 'wrong', '#60'],
    ['\\frac{\\pi}{2}', 'pi/2', 'right', '#69'],
    ['-1+e^{16}', '-1+exp(16)', 'right', '#69'],
    ['13', '\\text{13}', 'right', '#37'],
    ['10^{-9}', '2\\cdot 10^{-9}', 'wrong', '#14: tiny values'],
    ['0', '10^{-20}', 'wrong', '#14'],
    ['\\frac{1}{2004!}', '\\frac{1}{2006!}', 'wrong', 'tolerance of an engine'],
    ['1', '1, 2', 'wrong', '#14: one member of a list'],
    ['1, 2', '1', 'wrong', '#14'],
    ['1, 2, 3', '1, 2, 4', 'wrong', '#14'],
    ['x=1, y=2', 'y=2, x=1', 'right', '#40: two equations'],
    ['x=1, y=2', 'x=2, y=1', 'wrong', '#40'],
    ['1 < x < 5', '(1, 5)', 'right', '#10: asymmetric on purpose'],
    ['(1, 5)', '1 < x < 5', 'unknown', '#10'],
    ['5', 'x = 5', 'right', '#25'],
    ['\\infty', '-\\infty', 'wrong', 'the sign of infinity'],
    ['60^\\circ', '\\frac{\\pi}{3}', 'unknown', 'degrees and radians'],
  ])('%s against %s: %s (%s)', async (gold, given, expected) => {
    const response = `{"answer": ${JSON.stringify(given)}}`;
    expect((await verifyAnswerWith(response, gold, engine)).verdict).toBe(expected);
  });
});

describe('undecided on purpose', () => {
  it.each([
    ['(0, 1)', '[0, 1]', 'symbolic'],
    ['3:40', '6:80', 'ratio-equal'],
    ['3:20', '1:40', 'ratio-differs'],
    ['1:20', '2:40', 'clock'],
    ['3:40 am', '3:40 pm', 'clock-differs'],
    ['3.14', '\\pi', 'rounds-to-gold'],
    ['\\pi', '3.14', 'value-differs'],
    ['\\pi', '3.14159', 'rounded-equal'],
    ['\\pi', '3.14158', 'value-differs'],
    ['\\frac{2}{3}', '0.666667', 'rounded-equal'],
    ['\\frac{2}{3}', '0.666666', 'rational-differs'],
    ['0.67', '\\frac23', 'rounds-to-gold'],
    ['0.5', '0.500001', 'rational-differs'],
    ['3,5', '3.5', 'decimal-comma'],
    ['5\\text{ cm}', '5\\text{ kg}', 'unit-differs'],
    ['5\\text{ apples}', '5\\text{ pears}', 'unit'],
    ['5', '5m', 'unit-or-symbol'],
    ['2\\sqrt{3}', '2\\sqrt{3}m', 'unit-or-symbol'],
    ['2\\sqrt{3}\\text{ cm}', '2\\sqrt{3}\\text{ kg}', 'unit'],
    ['5\\text{ m}', '5.0m', 'rational-equal'],
    ['5\\text{ m}', '6m', 'rational-differs'],
    ['x=5', 'y=5', 'name-differs'],
    ['x=5', 'y=6', 'rational-differs'],
    ['x<3', 'x\\le 3', 'intervals-differ'],
    ['y<2x', 'y>2x', 'direction-differs'],
    ['y<2x', 'y<3x', 'relation-differs'],
    ['C', '(D)', 'choice-differs'],
    ['Yes', 'no', 'opposite'],
    ['\\begin{pmatrix}1&2\\end{pmatrix}', '\\begin{pmatrix}1\\\\2\\end{pmatrix}', 'shape-differs'],
    ['[0,1)\\cup(2,3)', '[0,1)', 'intervals-differ'],
  ])('%s against %s: by %s', async (gold, given, rule) => {
    expect((await verifyAnswerWith(`{"answer": ${JSON.stringify(given)}}`, gold, engine)).rule).toBe(rule);
  });
});

import type { Ask, SymbolicResult } from './comparison.ts';
import type { SymbolicEngine } from './symbolic-engine.ts';
import { type AnswerVerdict, compareAsMathematics, verifyBy } from './verify-answer.ts';

/** Each round asks what the one before came upon: the members of a list, then the entries of a member. */
const MAX_ROUNDS = 4;
/** A set of n members may raise n² questions. */
const MAX_QUESTIONS = 64;

/**
 * As `verifyAnswer`, with the engine for what the rules left 'symbolic': then the verdict is right by
 * 'symbolic-equal', wrong by 'symbolic-different', unknown by 'symbolic-timeout' or 'symbolic-memory', or stays
 * unknown by 'symbolic'. For lists, intervals and matrices the engine is asked about their members.
 */
export async function verifyAnswerWith(
  response: string,
  groundTruth: string,
  engine: SymbolicEngine,
): Promise<AnswerVerdict> {
  const known = new Map<string, SymbolicResult>();
  for (let round = 0; ; round++) {
    const open = new Map<string, [string, string]>();
    const ask: Ask = (a, b) => {
      const key = JSON.stringify([a, b]);
      const result = known.get(key) ?? null;
      if (result === null) open.set(key, [a, b]);
      return result;
    };
    const verdict = verifyBy(response, groundTruth, (gold, given) => compareAsMathematics(gold, given, ask));
    if (verdict.verdict !== 'unknown' || open.size === 0) return verdict;
    if (round === MAX_ROUNDS || known.size + open.size > MAX_QUESTIONS) return verdict;
    await Promise.all(
      [...open].map(async ([key, [a, b]]) => {
        known.set(key, await engine.equal(a, b));
      }),
    );
  }
}

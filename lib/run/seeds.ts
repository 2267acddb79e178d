import type { RunConfig } from './config.ts';

/** Distinct streams from the run's one seed. */
const STREAMS = {
  policy: 0,
  text: 1,
  prompts: 2,
  sampling: 3,
  heldOut: 4,
  evaluation: 5,
  warmup: 6,
} as const;
export function seedOf(config: RunConfig, stream: keyof typeof STREAMS): number {
  return config.seed * 1000 + STREAMS[stream];
}

/** Phrases with which long chains of thought turn back on themselves. */
export const REFLECTION_MARKERS: readonly string[] = [
  'Wait',
  'But wait',
  'Hold on',
  'Hmm',
  'Alternatively',
  'Actually',
  'However, wait',
  'Let me check',
  'Let me verify',
  'Let me double-check',
  'Let me double check',
  'Let me recheck',
  'Let me re-check',
  'Let me reconsider',
  'Let me rethink',
  'Let me try again',
  'Let me try another',
  'Let me think again',
  "Let's check",
  "Let's verify",
  "Let's double-check",
  'On second thought',
  'Another approach',
  'Another way',
  'Going back',
  'Oh wait',
  'No, wait',
  'I made a mistake',
];

/** A sticky pattern that matches any of the phrases as whole words, at a place chosen by `lastIndex`. */
export function markerPattern(markers: readonly string[]): RegExp | null {
  if (markers.length === 0) return null;
  const alternatives = markers.map((marker) => marker.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`(?:${alternatives.join('|')})(?![\\p{L}\\p{N}])`, 'uy');
}

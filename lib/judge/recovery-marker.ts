/**
 * Words with which a chain of thought turns back on itself. "?" opens the retry step of the generated arithmetic
 * chains.
 */
const MARKERS = [
  'wait',
  'actually',
  'hold on',
  'hang on',
  'oops',
  'correction',
  'on second thought',
  'let me (?:redo|re-?check|re-?calculate|re-?compute|re-?consider|re-?think|re-?do|correct|fix|try again|start over)',
  "let'?s (?:redo|re-?check|re-?calculate|re-?compute|re-?consider|correct|fix|try again|start over)",
  '(?:i|we) (?:made|have made) (?:a|an) (?:mistake|error)',
  "(?:that'?s|that is|this is|which is) (?:wrong|incorrect|not right|not correct)",
  'my (?:mistake|error)',
  'scratch that',
];
const MARKER = new RegExp(`^\\s*\\?|\\b(?:${MARKERS.join('|')})\\b`, 'iu');

/** Whether a step's words announce a correction or a fresh start. */
export function hasRecoveryMarker(text: string): boolean {
  return MARKER.test(text.replaceAll('’', "'"));
}

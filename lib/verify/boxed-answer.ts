interface Box {
  /** Position of the backslash. */
  start: number;
  /** Position after the closing brace. */
  end: number;
  content: string;
}

const BOX_COMMANDS = ['\\boxed', '\\fbox'];

/**
 * The content of the last `\boxed{…}` or `\fbox{…}` with balanced braces. Boxes that are joined only by "and",
 * "or" or a comma are one answer: "\boxed{1} and \boxed{2}" gives "1, 2".
 */
export function boxedAnswer(text: string): string | null {
  const boxes = outermostBoxes(text).filter((box) => box.content.trim() !== '');
  let index = boxes.length - 1;
  const last = boxes[index];
  if (last === undefined) return null;
  const parts = [last.content];
  for (; index > 0; index--) {
    const before = boxes[index - 1]!;
    if (!isConnector(text, before.end, boxes[index]!.start)) break;
    parts.unshift(before.content);
  }
  return parts.join(', ');
}

/** One pass with a stack of open braces, so that a long run of unclosed boxes stays linear. */
function outermostBoxes(text: string): Box[] {
  const open: { at: number; box: number }[] = [];
  const boxes: Box[] = [];
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '\\') {
      const command = BOX_COMMANDS.find((name) => text.startsWith(name, i));
      const brace = command === undefined ? -1 : skipSpaces(text, i + command.length);
      if (text[brace] === '{') {
        open.push({ at: brace, box: i });
        i = brace;
      } else i++; // the escaped character, so that \{ and \} do not count
    } else if (char === '{') open.push({ at: i, box: -1 });
    else if (char === '}') {
      const brace = open.pop();
      if (brace !== undefined && brace.box >= 0) {
        while ((boxes.at(-1)?.start ?? -1) > brace.box) boxes.pop();
        boxes.push({ start: brace.box, end: i + 1, content: text.slice(brace.at + 1, i) });
      }
    }
  }
  return boxes;
}

function skipSpaces(text: string, from: number): number {
  let at = from;
  while (text[at] === ' ') at++;
  return at;
}

const MAX_CONNECTOR = 40;

function isConnector(text: string, from: number, to: number): boolean {
  if (to - from > MAX_CONNECTOR) return false;
  const gap = text.slice(from, to).replace(/\\text|\\quad|\\[()[\],;!]|[\s${}~]/g, '');
  return gap === ',' || gap === 'and' || gap === 'or' || gap === ',and' || gap === ',or';
}

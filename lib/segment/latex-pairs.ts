/** Start of each `\begin{name}` mapped to the end of its `\end{name}`, or to -1 where it is never closed. */
export function matchEnvironments(text: string): Map<number, number> {
  const ends = new Map<number, number>();
  const open: { name: string; at: number }[] = [];
  const depth = new Map<string, number>();
  const close = (): string => {
    const last = open.pop()!;
    depth.set(last.name, depth.get(last.name)! - 1);
    return last.name;
  };
  for (const match of text.matchAll(/\\(begin|end)\s?\{([a-zA-Z]{1,24}\*?)\}/g)) {
    const name = match[2]!;
    if (match[1] === 'begin') {
      open.push({ name, at: match.index });
      depth.set(name, (depth.get(name) ?? 0) + 1);
      ends.set(match.index, -1);
      continue;
    }
    // An \end without its \begin closes nothing; one with it closes everything left open in between.
    if (!depth.get(name)) continue;
    let at = open.at(-1)!.at;
    while (close() !== name) at = open.at(-1)!.at;
    ends.set(at, match.index + match[0].length);
  }
  return ends;
}

/** Start of each `\boxed{` or `\fbox{` mapped to the end of its closing brace, or to -1. */
export function matchBoxes(text: string): Map<number, number> {
  const ends = new Map<number, number>();
  const open: number[] = [];
  for (const match of text.matchAll(/\\(?:boxed|fbox) ?\{|\\[\s\S]|[{}]/g)) {
    const token = match[0];
    if (token.startsWith('\\') && !token.endsWith('{')) continue;
    if (token === '\\{') continue;
    if (token === '}') {
      const start = open.pop();
      if (start !== undefined && start >= 0) ends.set(start, match.index + 1);
    } else {
      const isBox = token !== '{';
      open.push(isBox ? match.index : -1);
      if (isBox) ends.set(match.index, -1);
    }
  }
  return ends;
}

/** Where a run tells what it does. `line` is kept, `status` is a passing line that the next one replaces. */
export interface Progress {
  line(text: string): void;
  status(text: string): void;
}

/** Lines to a stream; passing lines only where it is a terminal. */
export function terminalProgress(stream: NodeJS.WriteStream): Progress {
  let open = false;
  const clear = () => {
    if (open) stream.write('\r\u001b[2K');
    open = false;
  };
  return {
    line(text) {
      clear();
      stream.write(`${text}\n`);
    },
    status(text) {
      if (!stream.isTTY) return;
      clear();
      stream.write(text.slice(0, Math.max(20, (stream.columns ?? 80) - 1)));
      open = true;
    },
  };
}

export const silent: Progress = { line() {}, status() {} };

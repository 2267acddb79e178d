/** Where a run tells what it does. `line` is kept, `status` is a passing line that the next one replaces. */
export interface Progress {
  line(text: string): void;
  status(text: string): void;
  /** `done` of `total` of one piece of work, shown with its rate and the time left. */
  advance(label: string, done: number, total: number, detail?: string): void;
}

/** Seconds between two lines about the same work where there is no terminal to rewrite a line on. */
const PLAIN_EVERY = 15;

/** Lines to a stream; passing lines on a terminal are rewritten in place, elsewhere they are few and plain. */
export function streamProgress(stream: NodeJS.WriteStream): Progress {
  let open = false;
  const clear = () => {
    if (open) stream.write('\r\u001b[2K');
    open = false;
  };
  const line = (text: string) => {
    clear();
    stream.write(`${text}\n`);
  };
  const status = (text: string) => {
    if (!stream.isTTY) return;
    clear();
    stream.write(text.slice(0, Math.max(20, (stream.columns ?? 80) - 1)));
    open = true;
  };
  const rate = new Rate();
  let told = 0;
  return {
    line,
    status,
    advance(label, done, total, detail) {
      const text = `${label}: ${done} of ${total}${rate.text(label, done, total)}${detail === undefined ? '' : `, ${detail}`}`;
      if (stream.isTTY) return status(text);
      if (rate.seconds < PLAIN_EVERY) told = 0;
      if (rate.seconds - told < PLAIN_EVERY) return;
      told = rate.seconds;
      line(text);
    },
  };
}

/** Speed since the first report of a label; another label, or a count that fell, starts anew. */
class Rate {
  #label = '';
  #started = 0;
  #from = 0;
  #last = 0;

  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  text(label: string, done: number, total: number): string {
    if (label !== this.#label || done < this.#last) {
      this.#label = label;
      this.#started = performance.now();
      this.#from = done;
    }
    this.#last = done;
    const perSecond = (done - this.#from) / this.seconds;
    if (this.seconds < 1 || !(perSecond > 0)) return '';
    const left = Math.ceil((total - done) / perSecond);
    return `, ${perSecond.toPrecision(3)}/s, ${duration(left)} left`;
  }
}

/** 75 -> "1 min 15 s". */
export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export const silent: Progress = { line() {}, status() {}, advance() {} };

import { createHash } from 'node:crypto';
import { type Random, seededRandom, shuffled } from '../random.ts';

/** Where a seeded order of the data stands. */
export interface CursorPosition {
  /** Units drawn since the start. */
  drawn: number;
  /** Passes begun. */
  pass: number;
  /** Units drawn of this pass. */
  position: number;
  /** SHA-256 of the ids in this pass's order. */
  order: string;
}

/** Endless units: a new order for each pass, so that each is seen once before any is seen again. */
export class DataCursor {
  readonly #ids: readonly string[];
  readonly #random: Random;
  #order: number[] = [];
  #pass = 0;
  #position = 0;
  #drawn = 0;

  /** One id per unit; at least one. */
  constructor(ids: readonly string[], seed: number) {
    this.#ids = ids;
    this.#random = seededRandom(seed);
  }

  /** The index of the next unit. */
  next(): number {
    if (this.#position === this.#order.length) {
      this.#order = shuffled(
        this.#ids.map((_, i) => i),
        this.#random,
      );
      this.#pass += 1;
      this.#position = 0;
    }
    this.#drawn += 1;
    return this.#order[this.#position++]!;
  }

  get position(): CursorPosition {
    const hash = createHash('sha256');
    for (const i of this.#order) hash.update(`${this.#ids[i]!}\n`);
    const order = hash.digest('hex');
    return { drawn: this.#drawn, pass: this.#pass, position: this.#position, order };
  }

  /** Draws up to `target` as the training before did, and says whether that is where it was. */
  replay(target: CursorPosition): boolean {
    while (this.#drawn < target.drawn) this.next();
    const here = this.position;
    return (
      here.drawn === target.drawn &&
      here.pass === target.pass &&
      here.position === target.position &&
      here.order === target.order
    );
  }
}

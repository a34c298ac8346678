/** Answers that make up the reference when none is given, and answers that are compared with it. */
const WINDOW = 1000;

/** Shares below this count as this: a label that was never seen must not make the index infinite. */
const LEAST_SHARE = 1e-4;

/**
 * How far the labels of the latest answers are from a reference: the population stability index
 * `sum (p - q) ln(p / q)`. Below 0.1 nothing has changed, above 0.25 the pictures are others than they were.
 */
export class Drift {
  readonly #window: string[] = [];
  readonly #counts = new Map<string, number>();
  #reference: ReadonlyMap<string, number> | undefined;

  /** @param reference share of each label; without one, of the first {@link WINDOW} answers */
  constructor(reference?: Readonly<Record<string, number>>) {
    if (reference !== undefined) this.#reference = new Map(Object.entries(reference));
  }

  add(label: string): void {
    this.#window.push(label);
    this.#counts.set(label, (this.#counts.get(label) ?? 0) + 1);
    if (this.#window.length > WINDOW) {
      const oldest = this.#window.shift()!;
      this.#counts.set(oldest, this.#counts.get(oldest)! - 1);
    }
    if (this.#reference === undefined && this.#window.length === WINDOW) this.#reference = this.#shares();
  }

  /** NaN until there is a reference and an answer. */
  index(): number {
    if (this.#reference === undefined || this.#window.length === 0) return Number.NaN;
    const now = this.#shares();
    let index = 0;
    for (const label of new Set([...this.#reference.keys(), ...now.keys()])) {
      const p = Math.max(LEAST_SHARE, now.get(label) ?? 0);
      const q = Math.max(LEAST_SHARE, this.#reference.get(label) ?? 0);
      index += (p - q) * Math.log(p / q);
    }
    return index;
  }

  #shares(): Map<string, number> {
    return new Map([...this.#counts].map(([label, count]) => [label, count / this.#window.length]));
  }
}

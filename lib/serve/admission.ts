/** Lets at most `most` pieces of work in at a time; more are turned away, not queued, so that a flood costs no memory. */
export class Admission {
  readonly #most: number;
  #inFlight = 0;
  #idle: (() => void) | undefined;

  constructor(most: number) {
    this.#most = most;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Runs `work`, or returns undefined at once when too much is under way. */
  async admit<T>(work: () => Promise<T>): Promise<{ readonly result: T } | undefined> {
    if (this.#inFlight >= this.#most) return undefined;
    this.#inFlight++;
    try {
      return { result: await work() };
    } finally {
      this.#inFlight--;
      if (this.#inFlight === 0) this.#idle?.();
    }
  }

  /** Waits until nothing is under way. */
  async drained(): Promise<void> {
    if (this.#inFlight === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }
}

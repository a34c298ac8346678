import { onAbort } from '../abort.js';
import { abortError, throwIfAborted } from '../errors.js';

/** Gives a share back; a second call does nothing. */
export type Release = () => void;

interface Waiting {
  readonly amount: number;
  readonly admit: () => void;
}

/**
 * An amount of something (bytes, workers) that calls share: whoever asks for more than is left waits until others have
 * given theirs back, in the order of asking, so that a large share is not overtaken for ever.
 */
export class Allowance {
  #left: number;
  readonly #waiting = new Set<Waiting>();

  constructor(readonly total: number) {
    this.#left = total;
  }

  /**
   * Waits for a share of `amount`, at most {@link total}.
   *
   * @throws {NeonsenseError} `ERR_ABORTED`
   */
  async take(amount: number, signal?: AbortSignal): Promise<Release> {
    throwIfAborted(signal);
    if (this.#waiting.size > 0 || amount > this.#left) await this.#turn(amount, signal);
    else this.#left -= amount;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#left += amount;
      this.#admit();
    };
  }

  #turn(amount: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting = {
        amount,
        admit: (): void => {
          forget?.();
          resolve();
        },
      };
      const forget =
        signal &&
        onAbort(signal, () => {
          this.#waiting.delete(waiting);
          reject(abortError(signal));
          // It may have been what kept smaller shares waiting.
          this.#admit();
        });
      this.#waiting.add(waiting);
    });
  }

  #admit(): void {
    for (const waiting of this.#waiting) {
      if (waiting.amount > this.#left) return;
      this.#left -= waiting.amount;
      this.#waiting.delete(waiting);
      waiting.admit();
    }
  }
}

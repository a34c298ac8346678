import { examined, invalidArgument } from '../errors.js';
import { indexOfLargest } from '../numbers/largest.js';

/** How a stream's answers are steadied. */
export interface SmoothingOptions {
  /** Share of a new frame in the average, above 0 to 1; 1 means none is kept. Default 0.3. */
  readonly alpha?: number | undefined;
  /** A new label takes over when its average probability leads the old one's by this much, 0 to 1. Default 0.1. */
  readonly lead?: number | undefined;
}

/**
 * Exponential averages of probabilities, and a label that changes only when another one clearly leads: a picture at
 * the border between two classes would change it with every frame.
 */
export class Smoothing {
  readonly #alpha: number;
  readonly #lead: number;
  #averages: Float64Array | undefined;
  #leader = -1;

  /** @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` */
  constructor(options: SmoothingOptions = {}) {
    const { alpha = 0.3, lead = 0.1 } = examined('options.smooth', 'true, false or an object', options, () => {
      if (typeof options === 'object') return { ...options };
      throw invalidArgument('options.smooth', 'true, false or an object', options);
    });
    if (!(Number.isFinite(alpha) && alpha > 0 && alpha <= 1))
      throw invalidArgument('options.smooth.alpha', 'a number above 0, up to 1', alpha);
    if (!(Number.isFinite(lead) && lead >= 0 && lead <= 1))
      throw invalidArgument('options.smooth.lead', 'a number from 0 to 1', lead);
    this.#alpha = alpha;
    this.#lead = lead;
  }

  /**
   * @param probabilities of one frame, `[classes]`
   * @returns the averages, `[classes]`, and the class that leads
   */
  add(probabilities: Float64Array): { readonly averages: Float64Array; readonly leader: number } {
    const previous = this.#averages;
    const averages =
      previous === undefined
        ? probabilities.slice()
        : probabilities.map((p, i) => previous[i]! + this.#alpha * (p - previous[i]!));
    this.#averages = averages;
    const largest = indexOfLargest(averages);
    if (this.#leader < 0 || averages[largest]! >= averages[this.#leader]! + this.#lead) this.#leader = largest;
    return { averages, leader: this.#leader };
  }
}

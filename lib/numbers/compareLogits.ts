import { invalidArgument } from '../errors.js';
import { indexOfLargest } from './largest.js';

/** How far two models, or two ways to run one, are apart on the same pictures. */
export interface LogitComparison {
  readonly images: number;
  /** Largest and mean absolute difference of a logit. */
  readonly largest: number;
  readonly mean: number;
  /** Largest minus smallest logit of the first. */
  readonly range: number;
  /** `largest / range`; 0 where the range is 0 and nothing differs. */
  readonly relative: number;
  /** Root mean square difference, over the standard deviation of the first's logits. */
  readonly error: number;
  /** Share of pictures on which both name the same class. */
  readonly agreement: number;
}

/**
 * Compares logits picture by picture.
 *
 * @param first logits, `[N, classes]`
 * @param second the same pictures', `[N, classes]`
 * @param classes number of classes
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` where the two differ in length or are no whole number of pictures
 */
export function compareLogits(first: Float32Array, second: Float32Array, classes: number): LogitComparison {
  if (first.length !== second.length || first.length === 0 || first.length % classes !== 0) {
    throw invalidArgument('second', `${first.length} logits, ${classes} for each of the same pictures,`, second);
  }
  let largest = 0;
  let sum = 0;
  let squares = 0;
  let own = 0;
  let ownSquares = 0;
  let low = Infinity;
  let high = -Infinity;
  let same = 0;
  for (let start = 0; start < first.length; start += classes) {
    for (let i = start; i < start + classes; i++) {
      const difference = Math.abs(first[i]! - second[i]!);
      // NaN is as far off as can be; comparisons with it are false, so ask the other way round.
      if (!(difference <= largest)) largest = Number.isNaN(difference) ? Infinity : difference;
      sum += difference;
      squares += difference * difference;
      own += first[i]!;
      ownSquares += first[i]! * first[i]!;
      low = Math.min(low, first[i]!);
      high = Math.max(high, first[i]!);
    }
    const end = start + classes;
    if (indexOfLargest(first.subarray(start, end)) === indexOfLargest(second.subarray(start, end))) same++;
  }
  const { length } = first;
  const images = length / classes;
  const range = high - low;
  const deviation = Math.sqrt(Math.max(0, ownSquares / length - (own / length) ** 2));
  return {
    images,
    largest,
    mean: sum / length,
    range,
    relative: largest === 0 ? 0 : largest / range,
    error: deviation > 0 ? Math.sqrt(squares / length) / deviation : 0,
    agreement: same / images,
  };
}

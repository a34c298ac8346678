import { indexOfLargest } from '../numbers/largest.js';

/** Bins of the expected calibration error, as in Guo et al. 2017, "On Calibration of Modern Neural Networks". */
export const CALIBRATION_BINS = 15;

/** One bin of a reliability diagram: images whose highest probability fell in `(lower, upper]`. */
export interface CalibrationBin {
  readonly lower: number;
  readonly upper: number;
  readonly images: number;
  /** Mean of the highest probability, 0 where the bin is empty. */
  readonly confidence: number;
  /** Share of the images whose most probable class is the right one, 0 where the bin is empty. */
  readonly accuracy: number;
}

/** What one model scored on one data set. All accuracies are fractions. */
export interface Metrics {
  readonly images: number;
  readonly top1: number;
  /** Share of images whose class is among the five most probable (all, where there are fewer classes). */
  readonly top5: number;
  /** Expected calibration error: mean gap of confidence and accuracy over 15 equal bins, weighted by images. */
  readonly ece: number;
  /** One entry per class, null for a class without images. */
  readonly classAccuracy: readonly (number | null)[];
  /** `confusion[label][predicted]` counts images. */
  readonly confusion: readonly (readonly number[])[];
  readonly calibration: readonly CalibrationBin[];
}

/**
 * How many classes stand before `label` when logits are sorted from high to low; equal logits keep their order. A label
 * whose logit is not a number comes last.
 */
export function rankOf(logits: ArrayLike<number>, label: number): number {
  const own = logits[label]!;
  if (Number.isNaN(own)) return logits.length;
  let rank = 0;
  for (let c = 0; c < logits.length; c += 1) {
    const other = logits[c]!;
    if (other > own || (other === own && c < label)) rank += 1;
  }
  return rank;
}

/**
 * The highest probability of `softmax(logits / temperature)`, `exp(max) / sum exp`, computed against the maximum so that
 * it can't overflow.
 */
export function confidenceOf(logits: ArrayLike<number>, temperature = 1): number {
  const highest = logits[indexOfLargest(logits)]!;
  let sum = 0;
  for (let c = 0; c < logits.length; c += 1) sum += Math.exp((logits[c]! - highest) / temperature);
  return 1 / sum;
}

/** Adds up one model's results image by image; its memory does not grow with the number of images. */
export class MetricsAccumulator {
  readonly #confusion: number[][];
  readonly #binImages = new Float64Array(CALIBRATION_BINS);
  readonly #binConfidence = new Float64Array(CALIBRATION_BINS);
  readonly #binCorrect = new Float64Array(CALIBRATION_BINS);
  #images = 0;
  #top1 = 0;
  #top5 = 0;

  /**
   * @param classes number of classes, the length of every logits vector
   * @param temperature what logits are divided by before the softmax
   */
  constructor(
    classes: number,
    private readonly temperature = 1,
  ) {
    this.#confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  }

  /**
   * Counts one image.
   * @param logits `[classes]`
   * @param label index of the right class
   * @returns index of the predicted class
   */
  add(logits: ArrayLike<number>, label: number): number {
    const predicted = indexOfLargest(logits);
    const rank = rankOf(logits, label);
    const correct = rank === 0;
    this.#images += 1;
    if (correct) this.#top1 += 1;
    if (rank < 5) this.#top5 += 1;
    this.#confusion[label]![predicted]! += 1;

    // Bins are open below and closed above, so a confidence of 1 falls in the last one.
    const confidence = confidenceOf(logits, this.temperature);
    const position = Math.ceil(confidence * CALIBRATION_BINS) - 1;
    const bin = Number.isNaN(position) ? 0 : Math.min(CALIBRATION_BINS - 1, Math.max(0, position));
    this.#binImages[bin]! += 1;
    this.#binConfidence[bin]! += Number.isNaN(confidence) ? 0 : confidence;
    if (correct) this.#binCorrect[bin]! += 1;
    return predicted;
  }

  /** The metrics of all images added so far. */
  result(): Metrics {
    const share = (count: number, of: number): number => (of === 0 ? 0 : count / of);
    const calibration = Array.from(
      this.#binImages,
      (images, bin): CalibrationBin => ({
        lower: bin / CALIBRATION_BINS,
        upper: (bin + 1) / CALIBRATION_BINS,
        images,
        confidence: share(this.#binConfidence[bin]!, images),
        accuracy: share(this.#binCorrect[bin]!, images),
      }),
    );
    const ece = calibration.reduce(
      (sum, bin) => sum + share(bin.images, this.#images) * Math.abs(bin.accuracy - bin.confidence),
      0,
    );
    return {
      images: this.#images,
      top1: share(this.#top1, this.#images),
      top5: share(this.#top5, this.#images),
      ece,
      classAccuracy: this.#confusion.map((row, label) => {
        const images = row.reduce((sum, count) => sum + count, 0);
        return images === 0 ? null : row[label]! / images;
      }),
      confusion: this.#confusion.map((row) => [...row]),
      calibration,
    };
  }
}

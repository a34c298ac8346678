import { judge } from '../classify/rejection.js';
import { indexOfLargest } from '../numbers/largest.js';

/** Bins of the expected calibration error, as in Guo et al. 2017, "On Calibration of Modern Neural Networks". */
export const CALIBRATION_BINS = 15;

/** Steps between the thresholds of coverage. */
const THRESHOLDS = 100;

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

/** What a model reaches where it only answers when it is sure enough. */
export interface CoveragePoint {
  /** The least confidence of an answer. */
  readonly threshold: number;
  /** Share of the images that are answered then. */
  readonly coverage: number;
  /** Share of those answers that are right. */
  readonly accuracy: number;
}

/** How well a model with a reject class tells its classes from other things. */
export interface Rejection {
  /** Images of other things; the remaining ones show one of the classes. */
  readonly others: number;
  /** Share of the other things that are rejected, null where there are none. */
  readonly rejected: number | null;
  /** Share of the classes' images that are rejected although they show one, null where there are none. */
  readonly lost: number | null;
}

/** How a model's logits are read; see `Confidence`. */
export interface Reading {
  /** What logits are divided by before the softmax, 1 when absent. */
  readonly temperature?: number | undefined;
  readonly rejectBelow?: number | undefined;
  /** Index of the reject class. */
  readonly reject?: number | undefined;
}

/**
 * What one model scored on one data set. All accuracies are fractions. Where the model has a reject class, accuracies and calibration
 * are those of the other classes' images with the best of these as the answer, as `Classifier` gives it, and images of the reject class
 * count in `rejection` alone.
 */
export interface Metrics {
  readonly images: number;
  readonly top1: number;
  /** Share of images whose class is among the five most probable (all, where there are fewer classes). */
  readonly top5: number;
  /** Expected calibration error: mean gap of confidence and accuracy over 15 equal bins, weighted by images. */
  readonly ece: number;
  /** Mean of the classes' accuracies, 0 without images: a class with few images counts as much as one with many. */
  readonly classMean: number;
  /** Present where the model has a reject class. */
  readonly rejection?: Rejection;
  /** One entry per class, null for a class without images; for the reject class the share that is rejected. */
  readonly classAccuracy: readonly (number | null)[];
  /** `confusion[label][predicted]` counts images; an image of the reject class is predicted as that where it is rejected. */
  readonly confusion: readonly (readonly number[])[];
  readonly calibration: readonly CalibrationBin[];
  /** By thresholds a hundredth apart, from the highest that any image reaches to 0. */
  readonly coverage: readonly CoveragePoint[];
}

/**
 * How many classes stand before `label` when logits are sorted from high to low; equal logits keep their order. A label
 * whose logit is not a number comes last.
 */
export function rankOf(logits: ArrayLike<number>, label: number): number {
  const own = logits[label]!;
  if (Number.isNaN(own)) return logits.length;
  let rank = 0;
  for (let c = 0; c < logits.length; c++) {
    const other = logits[c]!;
    if (other > own || (other === own && c < label)) rank++;
  }
  return rank;
}

/** The highest probability of `softmax(logits / temperature)`. */
export function confidenceOf(logits: ArrayLike<number>, temperature = 1): number {
  return probabilityOf(indexOfLargest(logits), logits, temperature);
}

/** One class's probability in `softmax(logits / temperature)`, computed against the maximum so that it can't overflow. */
function probabilityOf(index: number, logits: ArrayLike<number>, temperature = 1): number {
  const highest = logits[indexOfLargest(logits)]!;
  let sum = 0;
  for (let c = 0; c < logits.length; c++) sum += Math.exp((logits[c]! - highest) / temperature);
  return Math.exp((logits[index]! - highest) / temperature) / sum;
}

/** The logits with one class out of the running. */
function without(logits: ArrayLike<number>, index: number): number[] {
  return Array.from(logits, (logit, at) => (at === index ? -Infinity : logit));
}

/** Adds up one model's results image by image; its memory does not grow with the number of images. */
export class MetricsAccumulator {
  readonly #confusion: number[][];
  readonly #binImages = new Float64Array(CALIBRATION_BINS);
  readonly #binConfidence = new Float64Array(CALIBRATION_BINS);
  readonly #binCorrect = new Float64Array(CALIBRATION_BINS);
  readonly #sureImages = new Float64Array(THRESHOLDS + 1);
  readonly #sureCorrect = new Float64Array(THRESHOLDS + 1);
  #images = 0;
  #lost = 0;
  #top1 = 0;
  #top5 = 0;
  readonly #reading: Reading;

  /**
   * @param classes number of classes, the length of every logits vector
   * @param reading how logits become an answer
   */
  constructor(classes: number, reading: Reading = {}) {
    this.#reading = reading;

    this.#confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  }

  /**
   * Counts one image.
   * @param logits `[classes]`
   * @param label index of the right class
   * @returns index of the predicted class
   */
  add(logits: ArrayLike<number>, label: number): number {
    const { temperature, reject, rejectBelow } = this.#reading;
    const shown = reject === undefined ? logits : without(logits, reject);
    const predicted = indexOfLargest(shown);
    const confidence = probabilityOf(predicted, shown, temperature);
    if (reject !== undefined) {
      const none = probabilityOf(reject, logits, temperature);
      const { rejected } = judge([probabilityOf(predicted, logits, temperature), none], 0, 1, rejectBelow);
      if (label === reject) {
        const answer = rejected ? reject : predicted;
        this.#confusion[label]![answer]!++;
        return answer;
      }
      if (rejected) this.#lost++;
    }
    const rank = rankOf(shown, label);
    const correct = rank === 0;
    this.#images++;
    if (correct) this.#top1++;
    if (rank < 5) this.#top5++;
    this.#confusion[label]![predicted]!++;

    // Bins are open below and closed above, so a confidence of 1 falls in the last one.
    const position = Math.ceil(confidence * CALIBRATION_BINS) - 1;
    const bin = Number.isNaN(position) ? 0 : Math.min(CALIBRATION_BINS - 1, Math.max(0, position));
    this.#binImages[bin]!++;
    this.#binConfidence[bin]! += Number.isNaN(confidence) ? 0 : confidence;
    if (correct) this.#binCorrect[bin]!++;
    const threshold = Number.isNaN(confidence) ? 0 : Math.floor(confidence * THRESHOLDS);
    this.#sureImages[threshold]!++;
    if (correct) this.#sureCorrect[threshold]!++;
    return predicted;
  }

  #coverage(): CoveragePoint[] {
    const points: CoveragePoint[] = [];
    let [images, correct] = [0, 0];
    for (let at = THRESHOLDS; at >= 0; at--) {
      images += this.#sureImages[at]!;
      correct += this.#sureCorrect[at]!;
      if (images > 0) {
        points.push({ threshold: at / THRESHOLDS, coverage: images / this.#images, accuracy: correct / images });
      }
    }
    return points;
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
    const classAccuracy = this.#confusion.map((row, label) => {
      const images = row.reduce((sum, count) => sum + count, 0);
      return images === 0 ? null : row[label]! / images;
    });
    const { reject } = this.#reading;
    const scored = classAccuracy.filter((accuracy, label) => accuracy !== null && label !== reject) as number[];
    const others = reject === undefined ? 0 : this.#confusion[reject]!.reduce((sum, count) => sum + count, 0);
    const rejection =
      reject === undefined
        ? {}
        : {
            rejection: {
              others,
              rejected: classAccuracy[reject]!,
              lost: this.#images === 0 ? null : this.#lost / this.#images,
            },
          };
    return {
      images: this.#images + others,
      top1: share(this.#top1, this.#images),
      top5: share(this.#top5, this.#images),
      ece,
      classMean: share(
        scored.reduce((sum, accuracy) => sum + accuracy, 0),
        scored.length,
      ),
      ...rejection,
      classAccuracy,
      confusion: this.#confusion.map((row) => [...row]),
      calibration,
      coverage: this.#coverage(),
    };
  }
}

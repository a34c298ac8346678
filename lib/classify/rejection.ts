import type { Confidence } from '../model/model.js';

/** What a model's confidence says of one picture's probabilities. */
export interface Verdict {
  /** Probability that the picture shows none of the classes; undefined where the model has no reject class. */
  readonly noneProbability: number | undefined;
  readonly rejected: boolean;
}

/** Where the class that stands for "none of these" is in the logits, undefined where there is none. */
export function rejectIndex(confidence: Confidence | undefined, labels: readonly string[]): number | undefined {
  const index = confidence?.rejectClass === undefined ? -1 : labels.indexOf(confidence.rejectClass);
  return index < 0 ? undefined : index;
}

/**
 * Whether a picture shows none of the classes, as far as can be told: "none of these" is more probable than the best class, or the best
 * class is less probable than `rejectBelow`.
 *
 * @param probabilities `[classes]` at the model's temperature, the reject class among them
 * @param best index of the most probable class but the reject class
 * @param reject index of the reject class
 */
export function judge(
  probabilities: ArrayLike<number>,
  best: number,
  reject: number | undefined,
  rejectBelow = 0,
): Verdict {
  const probability = probabilities[best] as number;
  const noneProbability = reject === undefined ? undefined : (probabilities[reject] as number);
  return { noneProbability, rejected: probability < rejectBelow || (noneProbability ?? 0) > probability };
}

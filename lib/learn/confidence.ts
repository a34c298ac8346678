import { judge } from '../classify/rejection.js';
import { fitTemperature } from '../evaluate/temperature.js';
import type { Confidence } from '../model/model.js';
import { indexOfLargest } from '../numbers/largest.js';
import { softmax } from '../numbers/softmax.js';

/** Share of the photos of the classes that rejecting may lose. */
const MOST_LOST = 0.05;

/** Steps in which the threshold is looked for. */
const STEPS = 100;

/** What rejection does to photos the head was not fitted to. */
export interface RejectionScore {
  /** Share of the photos of the classes that are rejected although the right class was named. */
  readonly lost: number;
  /** Share of the photos of `other` that are rejected; null without such photos. */
  readonly rejected: number | null;
}

/**
 * Temperature and rejection that fit held-out answers: the temperature by likelihood; the threshold is the highest that
 * loses at most 5 % of the photos of the classes.
 *
 * @param logits `[photos, classes]`, each by a head that has not seen the photo
 * @param labels class of each photo
 * @param rejectClass index of the class that means none of the others
 */
export function fitConfidence(
  logits: Float64Array,
  labels: Int32Array,
  names: readonly string[],
  rejectClass: number | undefined,
): { readonly confidence: Confidence; readonly score: RejectionScore } {
  const classes = names.length;
  const rows = Array.from(labels, (_, i) => Float32Array.from(logits.subarray(i * classes, (i + 1) * classes)));
  const temperature = fitTemperature(rows, labels);
  const answers = rows.map((row, i) => {
    const probabilities = softmax(row, temperature);
    const own = probabilities.map((p, index) => (index === rejectClass ? -1 : p));
    return { probabilities, best: indexOfLargest(own), label: labels[i]! };
  });
  const scoreAt = (threshold: number): RejectionScore => {
    const rejects = ({ probabilities, best }: (typeof answers)[number]): boolean =>
      judge(probabilities, best, rejectClass, threshold).rejected;
    const ours = answers.filter(({ label }) => label !== rejectClass);
    const others = answers.filter(({ label }) => label === rejectClass);
    return {
      lost: ours.filter((answer) => answer.best === answer.label && rejects(answer)).length / ours.length,
      rejected: others.length === 0 ? null : others.filter(rejects).length / others.length,
    };
  };
  let rejectBelow = 0;
  for (let step = 1; step < STEPS; step++) {
    if (scoreAt(step / STEPS).lost > MOST_LOST) break;
    rejectBelow = step / STEPS;
  }
  const named = rejectClass === undefined ? {} : { rejectClass: names[rejectClass]! };
  return { confidence: { temperature, rejectBelow, ...named }, score: scoreAt(rejectBelow) };
}

import { fitTemperature } from '../evaluate/temperature.js';
import { indexOfLargest } from '../numbers/largest.js';
import { seededRandom } from '../numbers/random.js';
import { softmax } from '../numbers/softmax.js';
import { fitLogisticRegression } from './logisticRegression.js';
import { nearestMean } from './nearestMean.js';
import { headLogits, type LinearHead, type Samples, selectSamples } from './samples.js';

/** How a head is fitted: the closest class mean, or logistic regression with this `strength` (scikit-learn's `C`). */
export type Method =
  | { readonly name: 'nearest-mean' }
  | { readonly name: 'logistic-regression'; readonly strength: number };

/** What cross-validation says of one method. */
export interface MethodScore {
  readonly method: Method;
  /** Share of the pictures named right by a head that was fitted without them. */
  readonly accuracy: number;
  /** Mean cross entropy of those answers, at the temperature at which it is least. */
  readonly loss: number;
  /** Logits of each picture by a head that was fitted without it, `[pictures, classes]`. */
  readonly logits: Float64Array;
}

export interface CrossValidationOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Folds; fewer when a class has fewer pictures. */
const MOST_FOLDS = 5;

/** Strengths tried, from much regularization to little, for features of variance 1; steps of 10 are as fine as the choice is. */
const STRENGTHS = [1e-4, 1e-3, 1e-2, 1e-1, 1];

/** Iterations of a fit that is only compared with others and begins where the last one ended. */
const ITERATIONS = 30;

/**
 * Fits every method with a part of the pictures left out, for each part in turn, and scores it on what it has not seen.
 * Returns the methods in the order tried; empty when a class has a single picture, of which nothing could be left out.
 *
 * @param samples one for each picture
 * @throws {NeonsenseError} `ERR_ABORTED`
 */
export async function crossValidate(
  samples: Samples,
  { signal, onProgress }: CrossValidationOptions,
): Promise<readonly MethodScore[]> {
  const { labels, classes } = samples;
  const folds = foldsOf(labels, classes);
  if (folds === undefined) return [];
  const variance = varianceOf(samples);
  const methods: Method[] = [
    { name: 'nearest-mean' },
    ...STRENGTHS.map((strength) => ({ name: 'logistic-regression', strength: strength / variance }) as const),
  ];
  const logits = methods.map(() => new Float64Array(labels.length * classes));
  const count = Math.max(...folds) + 1;
  for (let fold = 0; fold < count; fold++) {
    const left = [...labels.keys()].filter((picture) => folds[picture] === fold);
    const tested = selectSamples(samples, left);
    const training = selectSamples(
      samples,
      [...labels.keys()].filter((picture) => folds[picture] !== fold),
    );
    let start: LinearHead | undefined;
    for (const [index, method] of methods.entries()) {
      const head = await fitHead(training, method, { start, maxIterations: ITERATIONS, signal });
      // The head of the next smaller strength is most of the way.
      start = method.name === 'logistic-regression' ? head : undefined;
      const answers = headLogits(head, tested);
      left.forEach((picture, row) => {
        logits[index]!.set(answers.subarray(row * classes, (row + 1) * classes), picture * classes);
      });
      onProgress?.(fold * methods.length + index + 1, count * methods.length);
    }
  }
  return methods.map((method, index) => ({ method, ...scoreLogits(logits[index]!, labels), logits: logits[index]! }));
}

/** A head fitted to all `samples`. */
export async function fitHead(
  samples: Samples,
  method: Method,
  options: {
    readonly sampleWeights?: Float64Array | undefined;
    readonly start?: LinearHead | undefined;
    readonly maxIterations?: number | undefined;
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<LinearHead> {
  if (method.name === 'nearest-mean') return nearestMean(samples);
  return await fitLogisticRegression(samples, { strength: method.strength, ...options });
}

/** Share and cross entropy of logits `[pictures, classes]`, at the temperature that suits each method best. */
function scoreLogits(logits: Float64Array, labels: Int32Array): { accuracy: number; loss: number } {
  const classes = logits.length / labels.length;
  const rows = Array.from(labels, (_, i) => Float32Array.from(logits.subarray(i * classes, (i + 1) * classes)));
  const temperature = fitTemperature(rows, labels);
  let right = 0;
  let loss = 0;
  rows.forEach((row, picture) => {
    const probabilities = softmax(row, temperature);
    const label = labels[picture]!;
    if (indexOfLargest(row) === label) right++;
    loss -= Math.log(Math.max(Number.MIN_VALUE, probabilities[label]!));
  });
  return { accuracy: right / labels.length, loss: loss / labels.length };
}

/** The fold of each picture, each class spread evenly over the folds; undefined when a class has fewer than two. */
function foldsOf(labels: Int32Array, classes: number): Int32Array | undefined {
  const members: number[][] = Array.from({ length: classes }, () => []);
  labels.forEach((label, picture) => {
    members[label]!.push(picture);
  });
  const fewest = Math.min(...members.map((pictures) => pictures.length));
  if (fewest < 2) return undefined;
  const folds = new Int32Array(labels.length);
  const count = Math.min(MOST_FOLDS, fewest);
  const random = seededRandom(1);
  let next = 0;
  for (const pictures of members) {
    for (const picture of shuffle(pictures, random)) {
      folds[picture] = next % count;
      next++;
    }
  }
  return folds;
}

/** A copy in another order (Fisher and Yates). */
function shuffle<T>(items: readonly T[], random: () => number): T[] {
  const shuffled = [...items];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
  }
  return shuffled;
}

function varianceOf({ features, width }: Samples): number {
  const count = features.length / width;
  let total = 0;
  for (let i = 0; i < width; i++) {
    let sum = 0;
    let squares = 0;
    for (let sample = 0; sample < count; sample++) {
      const value = features[sample * width + i]!;
      sum += value;
      squares += value * value;
    }
    total += squares / count - (sum / count) ** 2;
  }
  return total / width || 1;
}

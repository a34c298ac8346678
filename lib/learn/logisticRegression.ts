import { throwIfAborted } from '../errors.js';
import { minimize } from './minimize.js';
import { dot, type LinearHead, type Samples } from './samples.js';

export interface LogisticRegressionOptions {
  /**
   * Inverse of the regularization's strength, above 0: scikit-learn's `C`. The function minimised is
   * `C * (sum of the samples' cross entropies) + |W|^2 / 2`; the bias is not regularized.
   */
  readonly strength: number;
  /** Weight of each sample's cross entropy. Default 1 each. */
  readonly sampleWeights?: Float64Array | undefined;
  /** Where to begin, for example the head of a neighbouring strength. Default zeros. */
  readonly start?: LinearHead | undefined;
  /** Default 200. */
  readonly maxIterations?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The largest element of the mean gradient at which the fit is done; scikit-learn's default `tol`. */
const TOLERANCE = 1e-4;

/** Rows of features worked on before the event loop gets its turn. */
const EVENT_LOOP_MS = 8;

/**
 * Multinomial logistic regression with an L2 penalty, the optimum that scikit-learn's `LogisticRegression(C=strength)`
 * finds. Features are centred and divided by one number before the search, which changes the way to the optimum, not the
 * optimum.
 *
 * @throws {NeonsenseError} `ERR_ABORTED`
 */
export async function fitLogisticRegression(
  samples: Samples,
  { strength, sampleWeights, start, maxIterations = 200, signal }: LogisticRegressionOptions,
): Promise<LinearHead> {
  const { width, classes, labels } = samples;
  const count = labels.length;
  const { centred, mean, scale } = centre(samples);
  const total = sampleWeights === undefined ? count : sampleWeights.reduce((a, b) => a + b, 0);
  // In the scaled features the weights are `scale` times as large, so the penalty is divided by its square.
  const penalty = 1 / (strength * total * scale * scale);
  const size = classes * width;
  const point = new Float64Array(size + classes);
  if (start !== undefined) {
    for (let i = 0; i < size; i++) point[i] = start.weights[i]! * scale;
    for (let c = 0; c < classes; c++) point[size + c] = start.bias[c]! + dot(start.weights, c * width, mean, 0, width);
  }

  const logits = new Float64Array(classes);
  const objective = (at: Float64Array, gradient: Float64Array): number => {
    gradient.fill(0);
    let loss = 0;
    for (let sample = 0; sample < count; sample++) {
      const row = sample * width;
      for (let c = 0; c < classes; c++) logits[c] = at[size + c]! + dot(centred, row, at, c * width, width);
      const label = labels[sample]!;
      const weight = (sampleWeights?.[sample] ?? 1) / total;
      const right = logits[label]!;
      const logSum = toProbabilities(logits);
      loss += weight * (logSum - right);
      for (let c = 0; c < classes; c++) {
        const error = weight * (logits[c]! - (c === label ? 1 : 0));
        // Most samples are sure of most classes, and adding next to nothing takes as long as adding something.
        if (Math.abs(error) < 1e-14) continue;
        gradient[size + c]! += error;
        const into = c * width;
        for (let i = 0; i < width; i++) gradient[into + i]! += error * centred[row + i]!;
      }
    }
    for (let i = 0; i < size; i++) {
      loss += 0.5 * penalty * at[i]! * at[i]!;
      gradient[i]! += penalty * at[i]!;
    }
    return loss;
  };

  let turn = performance.now();
  const found = await minimize(objective, point, {
    tolerance: TOLERANCE,
    maxIterations,
    onIteration: async () => {
      if (performance.now() - turn > EVENT_LOOP_MS) {
        await new Promise((resolve) => setImmediate(resolve));
        turn = performance.now();
      }
      throwIfAborted(signal);
    },
  });
  const weights = found.subarray(0, size).map((w) => w / scale);
  const bias = Float64Array.from(
    { length: classes },
    (_, c) => found[size + c]! - dot(weights, c * width, mean, 0, width),
  );
  return { weights, bias };
}

/** Replaces logits by their softmax and returns the logarithm of the sum of their exponentials. */
function toProbabilities(logits: Float64Array): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) largest = Math.max(largest, logit);
  let sum = 0;
  for (let c = 0; c < logits.length; c++) {
    const exponential = Math.exp(logits[c]! - largest);
    logits[c] = exponential;
    sum += exponential;
  }
  for (let c = 0; c < logits.length; c++) logits[c]! /= sum;
  return largest + Math.log(sum);
}

/** Features minus their mean, divided by the root of their mean variance. */
function centre({ features, width }: Samples): { centred: Float64Array; mean: Float64Array; scale: number } {
  const count = features.length / width;
  const mean = new Float64Array(width);
  for (let i = 0; i < features.length; i++) mean[i % width]! += features[i]! / count;
  let squares = 0;
  const centred = new Float64Array(features.length);
  for (let i = 0; i < features.length; i++) {
    const difference = features[i]! - mean[i % width]!;
    centred[i] = difference;
    squares += difference * difference;
  }
  const scale = Math.sqrt(squares / features.length) || 1;
  for (let i = 0; i < centred.length; i++) centred[i]! /= scale;
  return { centred, mean, scale };
}

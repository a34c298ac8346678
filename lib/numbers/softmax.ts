import { NeonsenseError } from '../errors.js';

/**
 * Probabilities of logits, `softmax(logits / temperature)`, computed in double; the largest logit is subtracted first,
 * so no exponential overflows.
 *
 * @param logits `[classes]`
 * @param temperature above 0; see `Confidence`
 * @returns `[classes]`, summing to 1
 * @throws {NeonsenseError} `ERR_MODEL_ARCHITECTURE` where a logit is NaN or infinite: the weights are of no use.
 */
export function softmax(logits: Float32Array, temperature = 1): Float64Array {
  const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const probabilities = Float64Array.from(logits, (logit) => Math.exp((logit - largest) / temperature));
  const sum = probabilities.reduce((a, b) => a + b, 0);
  if (!Number.isFinite(sum)) {
    throw new NeonsenseError(
      'ERR_MODEL_ARCHITECTURE',
      `The model computes logits that are not finite (${logits.find((logit) => !Number.isFinite(logit))}): ` +
        'its weights or its preprocessing have unusable values',
    );
  }
  return probabilities.map((probability) => probability / sum);
}

import type { LinearHead, Samples } from './samples.js';

/**
 * Nearest class mean as a linear head: `-|x - m|^2 / 2` differs from `m . x - |m|^2 / 2` only by what all classes share.
 * What is left when there are too few samples for anything else.
 */
export function nearestMean({ features, width, labels, classes }: Samples): LinearHead {
  const weights = new Float64Array(classes * width);
  const counts = new Float64Array(classes);
  labels.forEach((label, sample) => {
    counts[label]!++;
    for (let i = 0; i < width; i++) weights[label * width + i]! += features[sample * width + i]!;
  });
  const bias = new Float64Array(classes);
  for (let c = 0; c < classes; c++) {
    for (let i = 0; i < width; i++) {
      const mean = weights[c * width + i]! / counts[c]!;
      weights[c * width + i] = mean;
      bias[c]! -= (mean * mean) / 2;
    }
  }
  return { weights, bias };
}

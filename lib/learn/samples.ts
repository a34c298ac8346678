/** Feature vectors with their classes: what a head is fitted to. */
export interface Samples {
  /** `[samples, width]`, row after row. */
  readonly features: Float32Array;
  /** Length of one feature vector. */
  readonly width: number;
  /** Class of each sample. */
  readonly labels: Int32Array;
  readonly classes: number;
}

/** A linear layer from features to one logit a class. */
export interface LinearHead {
  /** `[classes, width]` */
  readonly weights: Float64Array;
  /** `[classes]` */
  readonly bias: Float64Array;
}

/** The samples at `rows`, in that order. */
export function selectSamples({ features, width, labels, classes }: Samples, rows: readonly number[]): Samples {
  const selected = new Float32Array(rows.length * width);
  rows.forEach((row, index) => {
    selected.set(features.subarray(row * width, (row + 1) * width), index * width);
  });
  return { features: selected, width, labels: Int32Array.from(rows, (row) => labels[row]!), classes };
}

/** Logits of every sample, `[samples, classes]`. */
export function headLogits(head: LinearHead, { features, width }: Pick<Samples, 'features' | 'width'>): Float64Array {
  const classes = head.bias.length;
  const samples = features.length / width;
  const logits = new Float64Array(samples * classes);
  for (let sample = 0; sample < samples; sample++) {
    for (let c = 0; c < classes; c++) {
      logits[sample * classes + c] = head.bias[c]! + dot(features, sample * width, head.weights, c * width, width);
    }
  }
  return logits;
}

/** The scalar product of two runs of numbers. Four sums, since one would wait for itself at every step. */
export function dot(
  a: Float32Array | Float64Array,
  aStart: number,
  b: Float32Array | Float64Array,
  bStart: number,
  length: number,
): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let i = 0;
  for (; i + 3 < length; i += 4) {
    s0 += a[aStart + i]! * b[bStart + i]!;
    s1 += a[aStart + i + 1]! * b[bStart + i + 1]!;
    s2 += a[aStart + i + 2]! * b[bStart + i + 2]!;
    s3 += a[aStart + i + 3]! * b[bStart + i + 3]!;
  }
  for (; i < length; i++) s0 += a[aStart + i]! * b[bStart + i]!;
  return s0 + s1 + (s2 + s3);
}

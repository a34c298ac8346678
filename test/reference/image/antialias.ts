/** Bits behind the point of PIL's 8-bit weights: 8 for the pixel and 2 for sums beyond it are kept free of 32. */
const WEIGHT_BITS = 22;

/** Weights of each position of one resized axis: `weights[i][k]` belongs to source position `first[i] + k`. */
export interface FilterAxis {
  readonly first: Int32Array;
  readonly weights: readonly Int32Array[];
}

const FILTERS = {
  bilinear: { support: 1, at: (x: number): number => Math.max(0, 1 - Math.abs(x)) },
  /** Keys' cubic with a = -0.5. */
  bicubic: {
    support: 2,
    at: (signed: number): number => {
      const x = Math.abs(signed);
      if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
    },
  },
} as const;

/**
 * The filter PIL uses to resize an axis of 8-bit pixels from `source` to `target`, at positions `from` to
 * `from + count`: as wide as a pixel of the target where the axis shrinks, its weights in fixed point.
 */
export function filterAxis(
  source: number,
  target: number,
  from: number,
  count: number,
  interpolation: keyof typeof FILTERS,
): FilterAxis {
  const { support, at } = FILTERS[interpolation];
  const scale = source / target;
  const width = Math.max(1, scale);
  const reach = support * width;
  const first = new Int32Array(count);
  const weights: Int32Array[] = [];
  for (let i = 0; i < count; i++) {
    const centre = (from + i + 0.5) * scale;
    const low = Math.max(0, Math.trunc(centre - reach + 0.5));
    const high = Math.min(source, Math.trunc(centre + reach + 0.5));
    const exact = Array.from({ length: high - low }, (_, k) => at((low + k - centre + 0.5) * (1 / width)));
    const sum = exact.reduce((total, weight) => total + weight, 0);
    first[i] = low;
    weights.push(Int32Array.from(exact, (weight) => fixed(sum === 0 ? weight : weight / sum)));
  }
  return { first, weights };
}

function fixed(weight: number): number {
  return Math.trunc(weight * 2 ** WEIGHT_BITS + (weight < 0 ? -0.5 : 0.5));
}

/** A sum of weighted pixels as a pixel again. */
export function toByte(sum: number): number {
  return Math.min(255, Math.max(0, Math.floor((sum + 2 ** (WEIGHT_BITS - 1)) / 2 ** WEIGHT_BITS)));
}

/** Resizes one row of three-channel bytes. */
export function filterRow(
  row: Uint8Array | Uint8ClampedArray,
  { first, weights }: FilterAxis,
  output: Uint8Array,
): void {
  for (let i = 0; i < first.length; i++) {
    const kernel = weights[i] as Int32Array;
    const start = (first[i] as number) * 3;
    let red = 0;
    let green = 0;
    let blue = 0;
    for (let k = 0, at = start; k < kernel.length; k++, at += 3) {
      const weight = kernel[k] as number;
      red += weight * (row[at] as number);
      green += weight * (row[at + 1] as number);
      blue += weight * (row[at + 2] as number);
    }
    output[i * 3] = toByte(red);
    output[i * 3 + 1] = toByte(green);
    output[i * 3 + 2] = toByte(blue);
  }
}

import { median, quantile } from '../numbers/quantile.js';
import { seededRandom } from '../numbers/random.js';

/** What a row says of its samples; times in milliseconds. */
export interface Summary {
  readonly median: number;
  readonly p90: number;
  readonly p99: number;
  readonly min: number;
  /** Of the sample (n - 1), 0 for a single one. */
  readonly stddev: number;
}

/** @param samples not empty, in any order */
export function summarize(samples: readonly number[]): Summary {
  const sorted = Float64Array.from(samples).sort();
  const mean = samples.reduce((sum, value) => sum + value, 0) / samples.length;
  const squares = samples.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    median: quantile(sorted, 0.5),
    p90: quantile(sorted, 0.9),
    p99: quantile(sorted, 0.99),
    min: sorted[0]!,
    stddev: samples.length > 1 ? Math.sqrt(squares / (samples.length - 1)) : 0,
  };
}

/** How much longer `a` takes than `b`, with its uncertainty. */
export interface RatioInterval {
  /** Median of `a` over median of `b`. */
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  /** Whether 1 lies outside `[low, high]`. */
  readonly significant: boolean;
}

const RESAMPLES = 1000;

/**
 * Percentile bootstrap (Efron 1979) of the ratio of two medians. Samples come in trials, which are resampled first and
 * the samples within them second, because samples of one process are more alike than those of two. Trial `i` of `a` and
 * trial `i` of `b` ran next to each other, so they are drawn together: drift of the machine cancels.
 * @param a samples by trial; trials without a partner in `b` are left out
 * @param options.confidence share of the interval, 0.95 by default
 */
export function bootstrapRatio(
  a: readonly (readonly number[])[],
  b: readonly (readonly number[])[],
  options: { readonly confidence?: number; readonly seed?: number } = {},
): RatioInterval {
  const tail = (1 - (options.confidence ?? 0.95)) / 2;
  const random = seededRandom(options.seed ?? 1);
  const pairs: [readonly number[], readonly number[]][] = [];
  a.forEach((samples, trial) => {
    const partner = b[trial];
    if (partner !== undefined && samples.length > 0 && partner.length > 0) pairs.push([samples, partner]);
  });
  const ratio = median(pairs.flatMap(([own]) => own)) / median(pairs.flatMap(([, other]) => other));
  if (pairs.length === 0) return { ratio, low: Number.NaN, high: Number.NaN, significant: false };

  const pick = (length: number): number => Math.floor(random() * length);
  const redraw = (samples: readonly number[]): number[] => samples.map(() => samples[pick(samples.length)]!);
  const ratios = new Float64Array(RESAMPLES);
  for (let i = 0; i < RESAMPLES; i++) {
    const own: number[] = [];
    const other: number[] = [];
    for (let drawn = 0; drawn < pairs.length; drawn++) {
      const [left, right] = pairs[pick(pairs.length)]!;
      own.push(...redraw(left));
      other.push(...redraw(right));
    }
    ratios[i] = median(own) / median(other);
  }
  ratios.sort();
  const low = quantile(ratios, tail);
  const high = quantile(ratios, 1 - tail);
  return { ratio, low, high, significant: low > 1 || high < 1 };
}

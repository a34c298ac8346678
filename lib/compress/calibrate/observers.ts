import type { Quantization } from '../../model/model.js';
import { roundHalfEven } from '../../numbers/round.js';

/** Bins on each side of zero. */
const HALF = 2048;

/**
 * What calibration learns of one value: its range, the distribution of its numbers and the mean of each channel. The
 * histogram needs no first pass to find the range: its bins are a power of two wide and start at zero, and when a
 * number lies outside, neighbours are merged until it does not, which moves no number across a bin's edge.
 */
export class ValueObserver {
  /** Smallest number seen. */
  min = Infinity;
  /** Largest number seen. */
  max = -Infinity;
  /** Numbers seen. */
  count = 0;
  /** How many of them were exactly zero. */
  zeros = 0;
  /** Largest magnitude in each channel. */
  readonly channelPeaks: Float64Array;
  readonly #sums: Float64Array;
  #bins = new Float64Array(2 * HALF);
  #width = 2 ** -20;

  constructor(readonly channels: number) {
    this.channelPeaks = new Float64Array(channels);
    this.#sums = new Float64Array(channels);
  }

  /** Adds the numbers of one value, `[N, H, W, C]`. */
  add(values: Float32Array): void {
    const { channels, channelPeaks } = this;
    const sums = this.#sums;
    let { min, max } = this;
    for (let i = 0, c = 0; i < values.length; i++) {
      const x = values[i]!;
      if (x < min) min = x;
      if (x > max) max = x;
      sums[c]! += x;
      const magnitude = x < 0 ? -x : x;
      if (magnitude > channelPeaks[c]!) channelPeaks[c] = magnitude;
      c++;
      if (c === channels) c = 0;
    }
    this.min = min;
    this.max = max;
    this.count += values.length;
    while (max >= this.#width * HALF || min < -this.#width * HALF) this.#widen();
    const bins = this.#bins;
    const perWidth = 1 / this.#width;
    let zeros = 0;
    for (let i = 0; i < values.length; i++) {
      const x = values[i]!;
      if (x === 0) zeros++;
      else bins[Math.floor(x * perWidth) + HALF]!++;
    }
    this.zeros += zeros;
  }

  /** Mean of each channel. */
  channelMeans(): Float64Array {
    const perChannel = this.count / this.channels;
    return this.#sums.map((sum) => (perChannel === 0 ? 0 : sum / perChannel));
  }

  /** The occupied bins as `[centre, count]`, ascending; exact zeros are in none. */
  histogram(): [centre: number, count: number][] {
    const occupied: [number, number][] = [];
    this.#bins.forEach((count, bin) => {
      if (count > 0) occupied.push([(bin - HALF + 0.5) * this.#width, count]);
    });
    return occupied;
  }

  #widen(): void {
    const merged = new Float64Array(2 * HALF);
    for (let bin = 0; bin < 2 * HALF; bin++) merged[Math.floor((bin - HALF) / 2) + HALF]! += this.#bins[bin]!;
    this.#bins = merged;
    this.#width *= 2;
  }
}

/** How a range is chosen from what was seen. */
export type ObserverKind = 'minmax' | 'percentile' | 'mse';

/** A range of real numbers that contains zero. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/**
 * The range to quantize a value over.
 *
 * @param kind `minmax`: all of it; `percentile`: all but the share `1 - percentile / 100` in each tail; `mse`: the
 * range of least expected squared error, rounding inside against clipping outside
 * @param percentile in percent, for that kind
 * @param floor numbers below this make no difference to whoever reads the value (-3 before hard-swish)
 */
export function chooseRange(observer: ValueObserver, kind: ObserverKind, percentile = 99.99, floor = -Infinity): Range {
  const min = Math.min(0, Math.max(observer.min, floor));
  const max = Math.max(0, observer.max);
  if (observer.count === 0 || min === max) return { min: Math.min(0, min), max: Math.max(0, max) };
  if (kind === 'minmax') return { min, max };
  const histogram = observer.histogram();
  return kind === 'percentile'
    ? percentileRange(observer, histogram, percentile, { min, max })
    : leastErrorRange(histogram, { min, max });
}

function percentileRange(
  observer: ValueObserver,
  histogram: readonly [number, number][],
  percentile: number,
  full: Range,
): Range {
  const tail = (1 - percentile / 100) * observer.count;
  let below = 0;
  let min = 0;
  for (const [centre, count] of histogram) {
    below += count;
    if (below > tail) {
      min = centre;
      break;
    }
  }
  let above = 0;
  let max = 0;
  for (let i = histogram.length - 1; i >= 0; i--) {
    above += histogram[i]![1];
    if (above > tail) {
      max = histogram[i]![0];
      break;
    }
  }
  const range = { min: Math.max(full.min, Math.min(0, min)), max: Math.min(full.max, Math.max(0, max)) };
  return range.min === range.max ? full : range;
}

/** Candidates tried for each end of the range. */
const STEPS = 100;

function leastErrorRange(histogram: readonly [number, number][], full: Range): Range {
  let inside = 0;
  const lows = new Float64Array(STEPS);
  const highs = new Float64Array(STEPS);
  for (const [x, count] of histogram) {
    // What lies below the floor is lost for nobody.
    if (x >= full.min) inside += count;
    for (let step = 1; step < STEPS; step++) {
      const share = 1 - step / STEPS;
      const low = full.min * share;
      const high = full.max * share;
      if (x < low) lows[step]! += count * (low - Math.max(x, full.min)) ** 2;
      if (x > high) highs[step]! += count * (x - high) ** 2;
    }
  }
  let best = full;
  let least = Infinity;
  for (let l = 0; l < STEPS; l++) {
    for (let h = 0; h < STEPS; h++) {
      const min = full.min * (1 - l / STEPS);
      const max = full.max * (1 - h / STEPS);
      const scale = (max - min) / 255;
      const error = (inside * scale * scale) / 12 + lows[l]! + highs[h]!;
      if (error < least) {
        least = error;
        best = { min, max };
      }
    }
  }
  return best;
}

/** Behind batch norm activations are of the order of 1; a step of this says nothing any more. */
const SMALLEST_SCALE = 2 ** -16;

/** Scale and zero point that spread 256 steps over a range; zero is one of them, exactly. */
export function quantizationOf(range: Range, type: 'qs8' | 'qu8'): Quantization {
  const width = range.max - range.min;
  // A value that is always zero, or as good as, still needs a scale that keeps the ratios to its neighbours' sane.
  const scale = Math.max(Math.fround(width / 255), SMALLEST_SCALE);
  const lowest = type === 'qs8' ? -128 : 0;
  const zeroPoint = Math.min(lowest + 255, Math.max(lowest, lowest + roundHalfEven(-range.min / scale)));
  return { scale, zeroPoint };
}

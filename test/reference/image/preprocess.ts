import { type Fit, fitOf } from '../../../lib/image/fit.js';
import type { Pixels } from '../../../lib/image/pixels.js';
import type { Preprocessing } from '../../../lib/model/preprocessing.js';
import { filterAxis, filterRow, toByte } from './antialias.js';
import { type AreaAxis, addRow, areaAxis } from './area.js';
import { type BilinearAxis, bilinearAxis, blendRows, resizeRow } from './bilinear.js';
import { rgbRows } from './rgbRows.js';

/**
 * What the native image path is held to, in JavaScript and another way: the tensor a model expects, `[H, W, 3]`, from
 * interleaved pixels.
 */
export function referencePreprocess(pixels: Pixels, preprocessing: Preprocessing): Float32Array {
  const fit = fitOf(preprocessing, pixels.height, pixels.width);
  const [height, width] = preprocessing.size;
  const output = new Float32Array(height * width * 3);
  if (fit.seen[0] < height || fit.seen[1] < width) fill(preprocessing, output);
  const target: Target = (y) => {
    const start = ((fit.place[0] + y) * width + fit.place[1]) * 3;
    return output.subarray(start, start + fit.seen[1] * 3);
  };
  if (preprocessing.antialias === true) filter(pixels, preprocessing, fit, target);
  else interpolate(pixels, preprocessing, fit, target);
  return output;
}

/** One row of a normalized picture, `[width, 3]`, valid until the next call. */
type NormalizedRows = (y: number) => Float32Array;

/** What receives the rows of what is seen of the picture, from the top. */
type Target = (y: number) => Float32Array;

/** The colour around a letterboxed picture. */
function fill(preprocessing: Preprocessing, output: Float32Array): void {
  const { fill: colour, mean, range: [low, high] = [0, 1] } = preprocessing;
  const toNormal = normalizer(preprocessing);
  const bytes = colour ?? mean.map((m) => Math.min(255, Math.max(0, Math.round(((m - low) / (high - low)) * 255))));
  const values = bytes.map(toNormal);
  for (let i = 0; i < output.length; i++) output[i] = values[i % 3] as number;
}

/** In float: an area average of what is seen where asked for, normalization, bilinear. */
function interpolate(pixels: Pixels, preprocessing: Preprocessing, fit: Fit, target: Target): void {
  const { resized, from, seen } = fit;
  const source = [pixels.height, pixels.width] as const;
  const most = preprocessing.reduce ?? (preprocessing.interpolation === 'area' ? seen : undefined);
  // An axis of which no more pixels are seen than there would be cells is left as it is.
  const shrinks = ([0, 1] as const).map((i) => most !== undefined && source[i] * seen[i] > most[i] * resized[i]);
  const area = ([0, 1] as const).map((i) =>
    shrinks[i]
      ? areaAxis(source[i], resized[i], from[i], seen[i], most![i])
      : areaAxis(source[i], source[i], 0, source[i], source[i]),
  ) as [AreaAxis, AreaAxis];
  const taps = ([0, 1] as const).map((i) =>
    shrinks[i] ? bilinearAxis(most![i], seen[i]) : bilinearAxis(source[i], resized[i], from[i], seen[i]),
  ) as [BilinearAxis, BilinearAxis];
  let rows: NormalizedRows;
  if (shrinks.includes(true)) {
    const width = area[1].first.length;
    const reduced = new Float32Array(area[0].first.length * width * 3);
    reduce(pixels, preprocessing, area, reduced);
    rows = (y) => reduced.subarray(y * width * 3, (y + 1) * width * 3);
  } else {
    rows = normalizedBytes(pixels, preprocessing);
  }
  resize(rows, taps, target);
}

/** As PIL: across, rounded to bytes, then down, rounded to bytes. */
function filter(pixels: Pixels, preprocessing: Preprocessing, fit: Fit, target: Target): void {
  const kind = preprocessing.interpolation === 'bicubic' ? 'bicubic' : 'bilinear';
  const { resized, from, seen } = fit;
  const across = filterAxis(pixels.width, resized[1], from[1], seen[1], kind);
  const down = filterAxis(pixels.height, resized[0], from[0], seen[0], kind);
  const stride = seen[1] * 3;
  const top = down.first[0] as number;
  const bottom = (down.first.at(-1) as number) + (down.weights.at(-1) as Int32Array).length;
  const bytes = rgbRows(pixels);
  const narrowed = new Uint8Array((bottom - top) * stride);
  for (let y = top; y < bottom; y++) {
    filterRow(bytes(y), across, narrowed.subarray((y - top) * stride, (y - top + 1) * stride));
  }
  const table = normalizedTable(preprocessing);
  const sums = new Float64Array(stride);
  for (let y = 0; y < seen[0]; y++) {
    sums.fill(0);
    const first = (down.first[y] as number) - top;
    (down.weights[y] as Int32Array).forEach((weight, k) => {
      const start = (first + k) * stride;
      for (let i = 0; i < stride; i++) sums[i] = (sums[i] as number) + weight * (narrowed[start + i] as number);
    });
    const row = target(y);
    for (let i = 0; i < stride; i++) row[i] = table[toByte(sums[i] as number) * 3 + (i % 3)] as number;
  }
}

/** Normalizes rows of bytes. */
function normalizedBytes(pixels: Pixels, preprocessing: Preprocessing): NormalizedRows {
  const table = normalizedTable(preprocessing);
  const bytes = rgbRows(pixels);
  const row = new Float32Array(pixels.width * 3);
  return (y) => {
    const from = bytes(y);
    for (let i = 0; i < row.length; i += 3) {
      row[i] = table[(from[i] as number) * 3] as number;
      row[i + 1] = table[(from[i + 1] as number) * 3 + 1] as number;
      row[i + 2] = table[(from[i + 2] as number) * 3 + 2] as number;
    }
    return row;
  };
}

/** What the 256 possible values of each channel become. */
function normalizedTable(preprocessing: Preprocessing): Float32Array {
  const toNormal = normalizer(preprocessing);
  return new Float32Array(256 * 3).map((_, i) => toNormal(Math.floor(i / 3), i % 3));
}

/** `(value / 255 - mean) / std` in `range`, each step rounded to float32 as PyTorch's tensors are. */
function normalizer({ mean, std, range: [low, high] = [0, 1] }: Preprocessing): (v: number, channel: number) => number {
  const means = mean.map(Math.fround);
  const stds = std.map(Math.fround);
  const scale = high - low;
  return (value, channel) => {
    const shifted = Math.fround(Math.fround(low + (value / 255) * scale) - (means[channel] as number));
    return shifted / (stds[channel] as number);
  };
}

/** Area-averages and normalizes the averages. */
function reduce(
  pixels: Pixels,
  preprocessing: Preprocessing,
  [down, across]: readonly [AreaAxis, AreaAxis],
  output: Float32Array,
): void {
  const rows = rgbRows(pixels);
  const toNormal = normalizer(preprocessing);
  const height = down.first.length;
  const area = across.cell * down.cell;
  const sums = new Float64Array(across.first.length * 3);
  for (let y = 0; y < height; y++) {
    sums.fill(0);
    const first = down.first[y] as number;
    const last = down.last[y] as number;
    for (let row = first; row <= last; row++) {
      const share = row === first ? (down.firstShare[y] as number) : row === last ? (down.lastShare[y] as number) : 1;
      addRow(rows(row), across, share, sums);
    }
    const start = y * sums.length;
    for (let i = 0; i < sums.length; i++) output[start + i] = toNormal((sums[i] as number) / area, i % 3);
  }
}

/** Resizes bilinearly; each source row is widened once, when the first output row needs it. */
function resize(source: NormalizedRows, [down, across]: readonly [BilinearAxis, BilinearAxis], target: Target): void {
  const stride = across.low.length * 3;
  let above = { y: -1, row: new Float32Array(stride) };
  let below = { y: -1, row: new Float32Array(stride) };
  for (let y = 0; y < down.low.length; y++) {
    const low = down.low[y] as number;
    const high = down.high[y] as number;
    if (below.y === low) [above, below] = [below, above];
    for (const [line, wanted] of [
      [above, low],
      [below, high],
    ] as const) {
      if (line.y === wanted) continue;
      resizeRow(source(wanted), across, line.row);
      line.y = wanted;
    }
    blendRows(above.row, below.row, down.share[y] as number, target(y));
  }
}

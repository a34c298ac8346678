import { invalidArgument, throwIfAborted } from '../errors.js';
import type { Preprocessing } from '../model/preprocessing.js';
import { filterAxis, filterRow, toByte } from './antialias.js';
import { type AreaAxis, addRow, areaAxis } from './area.js';
import { type BilinearAxis, bilinearAxis, blendRows, resizeRow } from './bilinear.js';
import { type Fit, fitOf } from './fit.js';
import { checkPixels, type Pixels, rgbRows } from './pixels.js';

/** Pixels read between two looks at the clock, and milliseconds of work after which the event loop gets its turn. */
const PIXELS_PER_STEP = 65_536;
const MS_PER_TURN = 3;

/**
 * Makes the tensor a model expects from pixels, as its {@link Preprocessing} says. Where it is antialiased, pixels are
 * PIL's bit for bit; else it agrees with PyTorch's `interpolate(..., mode='bilinear', align_corners=False)` to float32
 * rounding.
 *
 * @param output Where to write, `[H, W, 3]` of `preprocessing.size`; a new array when absent.
 * @returns `[H, W, 3]` floats, RGB.
 * @throws NeonsenseError `ERR_INVALID_ARGUMENT`
 */
export function preprocess(pixels: Pixels, preprocessing: Preprocessing, output?: Float32Array): Float32Array {
  const target = checkOutput(preprocessing, output);
  const steps = preprocessSteps(checkPixels(pixels, 'pixels'), preprocessing, target);
  while (steps.next().done !== true);
  return target;
}

/**
 * As {@link preprocess}, but a large picture is worked on in slices of a few milliseconds between which the event loop
 * runs. The pixels must not change until it is done.
 *
 * @throws NeonsenseError `ERR_INVALID_ARGUMENT`, `ERR_ABORTED`
 */
export async function preprocessInSlices(
  pixels: Pixels,
  preprocessing: Preprocessing,
  output?: Float32Array,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const target = checkOutput(preprocessing, output);
  const steps = preprocessSteps(checkPixels(pixels, 'pixels'), preprocessing, target);
  throwIfAborted(signal);
  let turn = performance.now();
  while (steps.next().done !== true) {
    if (performance.now() - turn < MS_PER_TURN) continue;
    await new Promise((resolve) => setImmediate(resolve));
    throwIfAborted(signal);
    turn = performance.now();
  }
  return target;
}

function checkOutput(preprocessing: Preprocessing, output: Float32Array | undefined): Float32Array {
  const [height, width] = preprocessing.size;
  const length = height * width * 3;
  if (output === undefined) return new Float32Array(length);
  if (!(output instanceof Float32Array) || output.length !== length) {
    throw invalidArgument('output', `a Float32Array of ${height} x ${width} x 3 = ${length} numbers`, output);
  }
  return output;
}

/** One row of a normalized picture, `[width, 3]`, valid until the next call. */
type NormalizedRows = (y: number) => Float32Array;

/** What receives the rows of what is seen of the picture, from the top. */
type Target = (y: number) => Float32Array;

/** The work itself; yields wherever it can be interrupted. */
function* preprocessSteps(pixels: Pixels, preprocessing: Preprocessing, output: Float32Array): Generator<void> {
  const fit = fitOf(preprocessing, pixels.height, pixels.width);
  const [height, width] = preprocessing.size;
  if (fit.seen[0] < height || fit.seen[1] < width) fill(preprocessing, output);
  const target: Target = (y) => {
    const start = ((fit.place[0] + y) * width + fit.place[1]) * 3;
    return output.subarray(start, start + fit.seen[1] * 3);
  };
  yield* preprocessing.antialias === true
    ? filter(pixels, preprocessing, fit, target)
    : interpolate(pixels, preprocessing, fit, target);
}

/** The colour around a letterboxed picture. */
function fill(preprocessing: Preprocessing, output: Float32Array): void {
  const { fill: colour, mean, range: [low, high] = [0, 1] } = preprocessing;
  const toNormal = normalizer(preprocessing);
  const bytes = colour ?? mean.map((m) => Math.min(255, Math.max(0, Math.round(((m - low) / (high - low)) * 255))));
  const values = bytes.map(toNormal);
  for (let i = 0; i < output.length; i++) output[i] = values[i % 3] as number;
}

/** In float: an area average of what is seen where asked for, normalization, bilinear. */
function* interpolate(pixels: Pixels, preprocessing: Preprocessing, fit: Fit, target: Target): Generator<void> {
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
    yield* reduce(pixels, preprocessing, area, reduced);
    rows = (y) => reduced.subarray(y * width * 3, (y + 1) * width * 3);
  } else {
    rows = normalizedBytes(pixels, preprocessing);
  }
  yield* resize(rows, taps, target);
}

/** As PIL: across, rounded to bytes, then down, rounded to bytes. */
function* filter(pixels: Pixels, preprocessing: Preprocessing, fit: Fit, target: Target): Generator<void> {
  const kind = preprocessing.interpolation === 'bicubic' ? 'bicubic' : 'bilinear';
  const { resized, from, seen } = fit;
  const across = filterAxis(pixels.width, resized[1], from[1], seen[1], kind);
  const down = filterAxis(pixels.height, resized[0], from[0], seen[0], kind);
  const stride = seen[1] * 3;
  const top = down.first[0] as number;
  const bottom = (down.first.at(-1) as number) + (down.weights.at(-1) as Int32Array).length;
  const bytes = rgbRows(pixels);
  const narrowed = new Uint8Array((bottom - top) * stride);
  let unread = PIXELS_PER_STEP;
  for (let y = top; y < bottom; y++) {
    filterRow(bytes(y), across, narrowed.subarray((y - top) * stride, (y - top + 1) * stride));
    unread -= pixels.width;
    if (unread <= 0) {
      yield;
      unread = PIXELS_PER_STEP;
    }
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
    if (y % 16 === 15) yield;
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
function* reduce(
  pixels: Pixels,
  preprocessing: Preprocessing,
  [down, across]: readonly [AreaAxis, AreaAxis],
  output: Float32Array,
): Generator<void> {
  const rows = rgbRows(pixels);
  const toNormal = normalizer(preprocessing);
  const height = down.first.length;
  const area = across.cell * down.cell;
  const sums = new Float64Array(across.first.length * 3);
  let unread = PIXELS_PER_STEP;
  for (let y = 0; y < height; y++) {
    sums.fill(0);
    const first = down.first[y] as number;
    const last = down.last[y] as number;
    for (let row = first; row <= last; row++) {
      const share = row === first ? (down.firstShare[y] as number) : row === last ? (down.lastShare[y] as number) : 1;
      addRow(rows(row), across, share, sums);
      unread -= pixels.width;
      if (unread <= 0) {
        yield;
        unread = PIXELS_PER_STEP;
      }
    }
    const start = y * sums.length;
    for (let i = 0; i < sums.length; i++) output[start + i] = toNormal((sums[i] as number) / area, i % 3);
  }
}

/** Resizes bilinearly; each source row is widened once, when the first output row needs it. */
function* resize(
  source: NormalizedRows,
  [down, across]: readonly [BilinearAxis, BilinearAxis],
  target: Target,
): Generator<void> {
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
    if (y % 16 === 15) yield;
  }
}

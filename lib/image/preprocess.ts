import { invalidArgument, throwIfAborted } from '../errors.js';
import type { Preprocessing } from '../model/model.js';
import { addRow, areaAxis } from './area.js';
import { bilinearAxis, blendRows, resizeRow } from './bilinear.js';
import { checkPixels, type Pixels, rgbRows } from './pixels.js';

/** Pixels read between two looks at the clock, and milliseconds of work after which the event loop gets its turn. */
const PIXELS_PER_STEP = 65_536;
const MS_PER_TURN = 3;

/**
 * Makes the tensor a model expects from pixels, as its {@link Preprocessing} says: area average, normalization,
 * bilinear resize. Agrees with PyTorch's `interpolate(..., mode='bilinear', align_corners=False)` to float32 rounding.
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

/** The work itself; yields wherever it can be interrupted. */
function* preprocessSteps(pixels: Pixels, preprocessing: Preprocessing, output: Float32Array): Generator<void> {
  const height = Math.min(pixels.height, preprocessing.reduce[0]);
  const width = Math.min(pixels.width, preprocessing.reduce[1]);
  let source: NormalizedRows;
  if (height === pixels.height && width === pixels.width) {
    source = normalizedBytes(pixels, preprocessing);
  } else {
    const reduced = new Float32Array(height * width * 3);
    yield* reduce(pixels, preprocessing, height, width, reduced);
    source = (y) => reduced.subarray(y * width * 3, (y + 1) * width * 3);
  }
  yield* resize(source, height, width, preprocessing.size, output);
}

/** Normalizes rows of bytes through a table of the 256 possible values of each channel. */
function normalizedBytes(pixels: Pixels, { mean, std }: Preprocessing): NormalizedRows {
  const table = new Float32Array(256 * 3);
  for (let i = 0; i < table.length; i++) table[i] = normalize(Math.floor(i / 3), i % 3, mean, std);
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

/** `(value / 255 - mean) / std`, each step rounded to float32 as PyTorch's tensors are. */
function normalize(value: number, channel: number, mean: readonly number[], std: readonly number[]): number {
  const shifted = Math.fround(Math.fround(value / 255) - Math.fround(mean[channel] as number));
  return shifted / Math.fround(std[channel] as number);
}

/** Area-averages to `[height, width, 3]` and normalizes the averages. An axis of equal length stays as it is. */
function* reduce(
  pixels: Pixels,
  { mean, std }: Preprocessing,
  height: number,
  width: number,
  output: Float32Array,
): Generator<void> {
  const rows = rgbRows(pixels);
  const across = areaAxis(pixels.width, width);
  const down = areaAxis(pixels.height, height);
  const area = across.cell * down.cell;
  const sums = new Float64Array(width * 3);
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
    for (let i = 0; i < sums.length; i++) {
      output[start + i] = normalize((sums[i] as number) / area, i % 3, mean, std);
    }
  }
}

/** Resizes bilinearly; each source row is widened once, when the first output row needs it. */
function* resize(
  source: NormalizedRows,
  sourceHeight: number,
  sourceWidth: number,
  [height, width]: readonly [number, number],
  output: Float32Array,
): Generator<void> {
  const across = bilinearAxis(sourceWidth, width);
  const down = bilinearAxis(sourceHeight, height);
  const stride = width * 3;
  let above = { y: -1, row: new Float32Array(stride) };
  let below = { y: -1, row: new Float32Array(stride) };
  for (let y = 0; y < height; y++) {
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
    blendRows(above.row, below.row, down.share[y] as number, output, y * stride);
    if (y % 16 === 15) yield;
  }
}

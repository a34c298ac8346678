/** How one axis is resized: `output[i] = (1 - share[i]) * source[low[i]] + share[i] * source[high[i]]`. */
export interface BilinearAxis {
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly share: Float32Array;
}

/**
 * Taps of a bilinear resize with half-pixel centres and no antialiasing: what PyTorch's
 * `interpolate(mode='bilinear', align_corners=False)` computes: there the scale is float32 and the coordinates
 * found with it are not. Of the target, positions `from` to `from + count`.
 */
export function bilinearAxis(source: number, target: number, from = 0, count = target): BilinearAxis {
  const axis = { low: new Int32Array(count), high: new Int32Array(count), share: new Float32Array(count) };
  const scale = Math.fround(source / target);
  for (let i = 0; i < count; i++) {
    const position = source === target ? from + i : Math.max(0, scale * (from + i + 0.5) - 0.5);
    const low = Math.min(Math.floor(position), source - 1);
    axis.low[i] = low;
    axis.high[i] = Math.min(low + 1, source - 1);
    axis.share[i] = position - low;
  }
  return axis;
}

/**
 * Resizes one row of three-channel floats.
 *
 * @param row `[W, 3]`
 * @param axis From {@link bilinearAxis} of `W` to the target's width.
 * @param output `[target, 3]`
 */
export function resizeRow(row: Float32Array, axis: BilinearAxis, output: Float32Array): void {
  const { low, high, share } = axis;
  for (let i = 0, to = 0; i < low.length; i++, to += 3) {
    const left = (low[i] as number) * 3;
    const right = (high[i] as number) * 3;
    const b = share[i] as number;
    const a = 1 - b;
    output[to] = a * (row[left] as number) + b * (row[right] as number);
    output[to + 1] = a * (row[left + 1] as number) + b * (row[right + 1] as number);
    output[to + 2] = a * (row[left + 2] as number) + b * (row[right + 2] as number);
  }
}

/**
 * Mixes two rows: `output[i] = (1 - share) * upper[i] + share * lower[i]`. A function of its own, small enough for the
 * JavaScript engine to compile during the very first picture.
 */
export function blendRows(upper: Float32Array, lower: Float32Array, share: number, output: Float32Array): void {
  const rest = 1 - share;
  for (let i = 0; i < upper.length; i++) output[i] = rest * (upper[i] as number) + share * (lower[i] as number);
}

/** How one axis is averaged down to cells of equal length, which begin and end anywhere in a pixel. */
export interface AreaAxis {
  /** Length of a cell in source pixels. */
  readonly cell: number;
  /** First source pixel each cell touches. */
  readonly first: Int32Array;
  /** Share of the first pixel that lies in the cell, in (0, 1]. */
  readonly firstShare: Float64Array;
  /** Last source pixel each cell touches. */
  readonly last: Int32Array;
  /** Share of the last pixel that lies in the cell, in (0, 1]; 0 where first and last are one pixel. */
  readonly lastShare: Float64Array;
}

/**
 * Cells of an exact area average of a part of an axis: of `source` pixels as if they were resized to `resized`, those
 * from `from` to `from + seen`. Boundaries are found in whole numbers (`source` times a number, divided by
 * `resized * cells`), so a cell that ends on a pixel's edge takes nothing of the next one.
 */
export function areaAxis(source: number, resized: number, from: number, seen: number, cells: number): AreaAxis {
  const whole = resized * cells;
  const axis = {
    cell: (source * seen) / whole,
    first: new Int32Array(cells),
    firstShare: new Float64Array(cells),
    last: new Int32Array(cells),
    lastShare: new Float64Array(cells),
  };
  for (let i = 0; i < cells; i++) {
    const begin = source * (from * cells + i * seen);
    const end = source * (from * cells + (i + 1) * seen);
    const first = Math.floor(begin / whole);
    const last = Math.ceil(end / whole) - 1;
    axis.first[i] = first;
    axis.last[i] = last;
    axis.firstShare[i] = (Math.min(end, (first + 1) * whole) - begin) / whole;
    axis.lastShare[i] = last > first ? (end - last * whole) / whole : 0;
  }
  return axis;
}

/**
 * Adds up the pixels of one row by cell: `sums[i * 3 + c]` becomes the sum of channel `c` over cell `i`, in pixels'
 * worth of width, times `share`, added to what is there.
 *
 * @param row `[width, 3]` bytes.
 * @param axis From {@link areaAxis} of the row.
 * @param share Weight of the row.
 * @param sums `[cells, 3]`
 */
export function addRow(row: Uint8Array | Uint8ClampedArray, axis: AreaAxis, share: number, sums: Float64Array): void {
  const { first, firstShare, last, lastShare } = axis;
  for (let i = 0, to = 0; i < first.length; i++, to += 3) {
    const begin = (first[i] as number) * 3;
    const end = (last[i] as number) * 3;
    // Whole pixels are summed as integers, which is exact and fast; only the two at the ends have a share.
    let red = 0;
    let green = 0;
    let blue = 0;
    for (let at = begin + 3; at < end; at += 3) {
      red += row[at] as number;
      green += row[at + 1] as number;
      blue += row[at + 2] as number;
    }
    const left = firstShare[i] as number;
    const right = lastShare[i] as number;
    sums[to] = (sums[to] as number) + share * (red + left * (row[begin] as number) + right * (row[end] as number));
    sums[to + 1] =
      (sums[to + 1] as number) + share * (green + left * (row[begin + 1] as number) + right * (row[end + 1] as number));
    sums[to + 2] =
      (sums[to + 2] as number) + share * (blue + left * (row[begin + 2] as number) + right * (row[end + 2] as number));
  }
}

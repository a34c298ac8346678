/**
 * The value below which a `fraction` of the samples lies, interpolated between neighbours (type 7 of Hyndman and Fan
 * 1996, the default of R and NumPy).
 * @param sorted ascending, not empty
 */
export function quantile(sorted: ArrayLike<number>, fraction: number): number {
  const position = (sorted.length - 1) * fraction;
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (position - below);
}

/** The median of unsorted samples, NaN of none. */
export function median(samples: readonly number[]): number {
  return samples.length === 0 ? Number.NaN : quantile(Float64Array.from(samples).sort(), 0.5);
}

/**
 * Marks the `k` numbers of smallest magnitude in all of `arrays` together. Two counting passes over the bits: the
 * pattern of a float without its sign orders as its magnitude does, so no sorting is needed. Among equals the first
 * ones are taken.
 *
 * @param arrays finite numbers
 * @param k from 0 to the total length
 * @returns for each array one byte per element, 1 where it is among the `k`
 */
export function selectSmallest(arrays: readonly Float32Array[], k: number): Uint8Array[] {
  const views = arrays.map((values) => new Uint32Array(values.buffer, values.byteOffset, values.length));
  const marks = arrays.map((values) => new Uint8Array(values.length));
  if (k <= 0) return marks;

  const upper = new Uint32Array(0x8000);
  for (const view of views) {
    for (let i = 0; i < view.length; i++) upper[(view[i]! & 0x7fffffff) >>> 16]!++;
  }
  const [upperBits, belowUpper] = bucketOf(upper, k);
  const lower = new Uint32Array(0x10000);
  for (const view of views) {
    for (let i = 0; i < view.length; i++) {
      if ((view[i]! & 0x7fffffff) >>> 16 === upperBits) lower[view[i]! & 0xffff]!++;
    }
  }
  const [lowerBits, belowLower] = bucketOf(lower, k - belowUpper);

  const threshold = upperBits * 0x10000 + lowerBits;
  let equalsLeft = k - belowUpper - belowLower;
  views.forEach((view, a) => {
    const mark = marks[a]!;
    for (let i = 0; i < view.length; i++) {
      const magnitude = view[i]! & 0x7fffffff;
      if (magnitude < threshold) {
        mark[i] = 1;
      } else if (magnitude === threshold && equalsLeft > 0) {
        mark[i] = 1;
        equalsLeft--;
      }
    }
  });
  return marks;
}

/** The bucket that holds the `k`-th element counted from 1, and how many elements lie in the buckets before it. */
function bucketOf(counts: Uint32Array, k: number): [bucket: number, before: number] {
  let before = 0;
  for (let bucket = 0; bucket < counts.length; bucket++) {
    const count = counts[bucket]!;
    if (before + count >= k) return [bucket, before];
    before += count;
  }
  return [counts.length - 1, before];
}

/** Standard deviations on each side that hold 95 % of a normal distribution. */
const Z = 1.96;

/**
 * The 95 % interval of a share, by Wilson's score, which is honest for few pictures and for shares near 0 and 1.
 *
 * @param share 0 to 1, of `count` pictures
 */
export function wilsonInterval(share: number, count: number): readonly [low: number, high: number] {
  const z2 = (Z * Z) / count;
  const centre = (share + z2 / 2) / (1 + z2);
  const half = (Z / (1 + z2)) * Math.sqrt((share * (1 - share)) / count + z2 / (4 * count));
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

/**
 * To the nearest integer, a tie to the even one: IEEE 754's default, Python's `round`, `nearbyint` and NumPy's `rint`.
 * (`Math.round` takes ties upwards.)
 */
export function roundHalfEven(value: number): number {
  // Adding 1.5 * 2^52 leaves a double no bits below one, so the addition itself rounds, and to even.
  const magic = 6755399441055744;
  return Math.abs(value) < 2 ** 51 ? value + magic - magic : value;
}

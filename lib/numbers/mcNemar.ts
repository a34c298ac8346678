/**
 * McNemar's exact test of two models on the same pictures: how probable it is by chance alone that the pictures only one of
 * them names right are shared out at least as unequally, 0 to 1.
 *
 * @param first pictures that only the first names right
 * @param second pictures that only the second names right
 */
export function mcNemar(first: number, second: number): number {
  const count = first + second;
  // Terms of the binomial distribution, as logarithms: 2^-count alone may be too small for a number.
  let term = -count * Math.LN2;
  let sum = 0;
  for (let k = 0; k <= Math.min(first, second); k++) {
    sum += Math.exp(term);
    term += Math.log((count - k) / (k + 1));
  }
  return Math.min(1, 2 * sum);
}

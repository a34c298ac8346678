import { describe, expect, it } from 'vitest';
import { factorInPlace, solveInPlace } from '../../lib/numbers/cholesky.js';
import fc from '../fastCheck.js';
import { randomFloats } from '../randomModel.js';

/** `B B^T + I / 10`, which is positive definite for any B. */
function positiveDefinite(n: number, seed: number): Float64Array {
  const random = randomFloats(seed);
  const b = Array.from({ length: n }, () => Array.from({ length: n }, random));
  return Float64Array.from({ length: n * n }, (_, at) => {
    const i = Math.floor(at / n);
    const j = at % n;
    return b[i]!.reduce((sum, x, k) => sum + x * b[j]![k]!, i === j ? 0.1 : 0);
  });
}

const cases = [fc.integer({ min: 1, max: 40 }), fc.integer()] as const;

describe('solveInPlace', () => {
  it('finds the vector a matrix was multiplied with', () => {
    fc.assert(
      fc.property(...cases, (n, seed) => {
        const matrix = positiveDefinite(n, seed);
        const random = randomFloats(seed + 1);
        const x = Float64Array.from({ length: n }, random);
        const right = Float64Array.from(x, (_, i) => x.reduce((sum, value, j) => sum + matrix[i * n + j]! * value, 0));
        expect(solveInPlace(matrix, right)).toBe(true);
        right.forEach((value, i) => expect(value).toBeCloseTo(x[i]!, 8));
      }),
      { numRuns: 30 },
    );
  });

  it('reads nothing above the diagonal', () => {
    const matrix = Float64Array.of(4, Number.NaN, 2, 5);
    const right = Float64Array.of(8, 12);
    expect(solveInPlace(matrix, right)).toBe(true);
    // [4 2; 2 5] (1, 2) = (8, 12)
    expect(right[0]).toBeCloseTo(1, 12);
    expect(right[1]).toBeCloseTo(2, 12);
  });

  it.each([
    ['negative', [1, 0, 0, -1]],
    ['singular', [1, 1, 1, 1]],
    ['zero', [0, 0, 0, 0]],
    ['not a number', [1, 0, Number.NaN, 1]],
  ])('says no to a matrix that is %s', (_, entries) => {
    expect(solveInPlace(Float64Array.from(entries), Float64Array.of(1, 1))).toBe(false);
  });

  it('solves nothing without complaint', () => {
    expect(solveInPlace(new Float64Array(0), new Float64Array(0))).toBe(true);
  });
});

describe('factorInPlace', () => {
  it('gives a lower triangle whose product with its transpose is the matrix', () => {
    fc.assert(
      fc.property(...cases, (n, seed) => {
        const matrix = positiveDefinite(n, seed);
        const factor = matrix.slice();
        expect(factorInPlace(factor, n)).toBe(true);
        for (let i = 0; i < n; i++) {
          for (let j = 0; j <= i; j++) {
            let sum = 0;
            for (let k = 0; k <= j; k++) sum += factor[i * n + k]! * factor[j * n + k]!;
            expect(sum).toBeCloseTo(matrix[i * n + j]!, 9);
          }
        }
      }),
      { numRuns: 20 },
    );
  });
});

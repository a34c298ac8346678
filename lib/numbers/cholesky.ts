/**
 * Solves `A x = b` for a symmetric positive definite `A` by Cholesky's factorization, `A = L L^T`.
 *
 * @param matrix `[n, n]`, row by row; only the lower triangle is read, and it is overwritten by `L`
 * @param right `[n]`, overwritten by the solution
 * @returns whether `A` was positive definite to working precision; if not, both arrays are in no useful state
 */
export function solveInPlace(matrix: Float64Array, right: Float64Array): boolean {
  const n = right.length;
  if (!factorInPlace(matrix, n)) return false;
  for (let i = 0; i < n; i++) {
    let sum = right[i]!;
    for (let k = 0; k < i; k++) sum -= matrix[i * n + k]! * right[k]!;
    right[i] = sum / matrix[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    const value = right[i]! / matrix[i * n + i]!;
    right[i] = value;
    // Column i of L^T lies in row i of L, so that memory is read in order.
    for (let k = 0; k < i; k++) right[k]! -= matrix[i * n + k]! * value;
  }
  return true;
}

/**
 * Overwrites the lower triangle of a symmetric positive definite `[n, n]` matrix by `L` with `A = L L^T`; what lies above
 * the diagonal is neither read nor written.
 *
 * @returns false where a pivot is not above the rounding error of its own diagonal entry
 */
export function factorInPlace(matrix: Float64Array, n: number): boolean {
  for (let i = 0; i < n; i++) {
    const row = i * n;
    for (let j = 0; j < i; j++) {
      const other = j * n;
      matrix[row + j] = (matrix[row + j]! - dotRows(matrix, row, other, j)) / matrix[other + j]!;
    }
    const diagonal = matrix[row + i]!;
    const pivot = diagonal - dotRows(matrix, row, row, i);
    if (!(pivot > diagonal * n * Number.EPSILON)) return false;
    matrix[row + i] = Math.sqrt(pivot);
  }
  return true;
}

/** Product of two rows' first `length` entries, in four sums that the processor can form at the same time. */
function dotRows(matrix: Float64Array, row: number, other: number, length: number): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let k = 0;
  for (; k + 4 <= length; k += 4) {
    a += matrix[row + k]! * matrix[other + k]!;
    b += matrix[row + k + 1]! * matrix[other + k + 1]!;
    c += matrix[row + k + 2]! * matrix[other + k + 2]!;
    d += matrix[row + k + 3]! * matrix[other + k + 3]!;
  }
  for (; k < length; k++) a += matrix[row + k]! * matrix[other + k]!;
  return a + b + (c + d);
}

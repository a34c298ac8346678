/** Samples taken in before their products are formed: enough to read each matrix entry rarely, few enough for the cache. */
const BLOCK = 32;

/**
 * Second moments of what a layer reads in two networks: `x` in the one that is being repaired, `r` in the one it is to
 * do as well as. A depthwise convolution is as many problems as it has channels, so moments are kept apart by group.
 * All sums are in double precision.
 */
export class InputMoments {
  /** Samples taken in. */
  count = 0;
  /** Sums of `x`, `[groups, size]`. */
  readonly #sums: Float64Array;
  readonly #referenceSums: Float64Array;
  /** Sums of `x x^T`, `[groups, size, size]`, lower triangles only. */
  readonly #products: Float64Array;
  /** Sums of `x r^T`, `[groups, size, size]`. */
  readonly #crossProducts: Float64Array;
  /** Samples waiting for their products, `[groups, size, BLOCK]`. */
  readonly #block: Float64Array;
  readonly #referenceBlock: Float64Array;
  #waiting = 0;

  /**
   * @param groups problems that share no input
   * @param size inputs of each
   */
  constructor(
    readonly groups: number,
    readonly size: number,
  ) {
    this.#sums = new Float64Array(groups * size);
    this.#referenceSums = new Float64Array(groups * size);
    this.#products = new Float64Array(groups * size * size);
    this.#crossProducts = new Float64Array(groups * size * size);
    this.#block = new Float64Array(groups * size * BLOCK);
    this.#referenceBlock = new Float64Array(groups * size * BLOCK);
  }

  /**
   * Takes in one sample.
   *
   * @param x `[groups, size]`
   * @param reference `[groups, size]`, the same place of the same picture in the other network
   */
  add(x: Float64Array, reference: Float64Array): void {
    const block = this.#block;
    const referenceBlock = this.#referenceBlock;
    const sums = this.#sums;
    const referenceSums = this.#referenceSums;
    const waiting = this.#waiting;
    for (let i = 0; i < x.length; i++) {
      block[i * BLOCK + waiting] = x[i]!;
      referenceBlock[i * BLOCK + waiting] = reference[i]!;
      sums[i]! += x[i]!;
      referenceSums[i]! += reference[i]!;
    }
    this.count++;
    this.#waiting++;
    if (this.#waiting === BLOCK) this.#flush();
  }

  /** Takes in all samples of another set of the same groups and size. */
  absorb(other: InputMoments): void {
    this.#flush();
    other.#flush();
    const add = (into: Float64Array, from: Float64Array): void => from.forEach((value, i) => (into[i]! += value));
    add(this.#sums, other.#sums);
    add(this.#referenceSums, other.#referenceSums);
    add(this.#products, other.#products);
    add(this.#crossProducts, other.#crossProducts);
    this.count += other.count;
  }

  /** The moments of group `group` about the means. */
  centred(group: number): CentredMoments {
    this.#flush();
    const { size, count } = this;
    const at = group * size;
    const mean = this.#sums.slice(at, at + size).map((sum) => sum / count);
    const referenceMean = this.#referenceSums.slice(at, at + size).map((sum) => sum / count);
    const covariance = new Float64Array(size * size);
    const crossCovariance = new Float64Array(size * size);
    const from = group * size * size;
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        const lower = i >= j ? i * size + j : j * size + i;
        covariance[i * size + j] = this.#products[from + lower]! / count - mean[i]! * mean[j]!;
        crossCovariance[i * size + j] =
          this.#crossProducts[from + i * size + j]! / count - mean[i]! * referenceMean[j]!;
      }
    }
    return { size, mean, referenceMean, covariance, crossCovariance };
  }

  #flush(): void {
    const { groups, size } = this;
    const block = this.#block;
    const referenceBlock = this.#referenceBlock;
    const products = this.#products;
    const crossProducts = this.#crossProducts;
    const waiting = this.#waiting;
    if (waiting === 0) return;
    // A block that is not full holds old samples behind the new ones.
    for (let i = 0; i < groups * size; i++) {
      block.fill(0, i * BLOCK + waiting, (i + 1) * BLOCK);
      referenceBlock.fill(0, i * BLOCK + waiting, (i + 1) * BLOCK);
    }
    for (let group = 0; group < groups; group++) {
      for (let i = 0; i < size; i += 2) {
        // Whole tiles of four: above the diagonal nobody reads.
        for (let j = 0; j <= i; j += 2) addProducts(products, block, block, group, size, i, j);
        for (let j = 0; j < size; j += 2) addProducts(crossProducts, block, referenceBlock, group, size, i, j);
      }
    }
    this.#waiting = 0;
  }
}

/** Means and covariances of one group's inputs. */
export interface CentredMoments {
  readonly size: number;
  /** `[size]` */
  readonly mean: Float64Array;
  /** `[size]` */
  readonly referenceMean: Float64Array;
  /** Of `x` with `x`, `[size, size]`. */
  readonly covariance: Float64Array;
  /** Of `x` with `r`, `[size, size]`. */
  readonly crossCovariance: Float64Array;
}

/**
 * Adds the products of inputs `i` and `i + 1` with inputs `j` and `j + 1` of one group, over a block of samples. Two by
 * two, because each number read then serves twice.
 */
function addProducts(
  into: Float64Array,
  left: Float64Array,
  right: Float64Array,
  group: number,
  size: number,
  i: number,
  j: number,
): void {
  const a = (group * size + i) * BLOCK;
  const c = (group * size + j) * BLOCK;
  // Where there is no second input, the first one takes its place and the result is dropped.
  const b = i + 1 < size ? a + BLOCK : a;
  const d = j + 1 < size ? c + BLOCK : c;
  let ac = 0;
  let ad = 0;
  let bc = 0;
  let bd = 0;
  for (let k = 0; k < BLOCK; k++) {
    const x = left[a + k]!;
    const y = left[b + k]!;
    const u = right[c + k]!;
    const v = right[d + k]!;
    ac += x * u;
    ad += x * v;
    bc += y * u;
    bd += y * v;
  }
  const row = (group * size + i) * size + j;
  into[row]! += ac;
  if (d !== c) into[row + 1]! += ad;
  if (b !== a) {
    into[row + size]! += bc;
    if (d !== c) into[row + size + 1]! += bd;
  }
}

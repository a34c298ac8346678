/** Numbers as bit patterns; +0 is the pattern 0, -0 is not. */
export type Bits = Int32Array | Int16Array;

/** A tensor without its zeros. */
export interface Sparse<T extends Bits> {
  /** Bit `i % 8`, counted from the lowest, of byte `floor(i / 8)` says whether element `i` is kept. */
  readonly bitmap: Uint8Array;
  /** The elements that are not +0, in order. */
  readonly values: T;
}

/** Leaves the elements out that are exactly +0; lossless. */
export function encodeSparse<T extends Bits>(elements: T): Sparse<T> {
  const bitmap = new Uint8Array(Math.ceil(elements.length / 8));
  const values = elements.filter((element) => element !== 0) as T;
  for (let i = 0; i < elements.length; i++) if (elements[i] !== 0) bitmap[i >>> 3]! |= 1 << (i & 7);
  return { bitmap, values };
}

/** Bytes `encodeSparse` would need. */
export function sparseBytes(elements: Bits): number {
  let kept = 0;
  for (let i = 0; i < elements.length; i++) if (elements[i] !== 0) kept++;
  return Math.ceil(elements.length / 8) + kept * elements.BYTES_PER_ELEMENT;
}

/**
 * Fills `elements`, which must be zeros, from their sparse form. Says what is wrong with that form, if anything; then
 * `elements` must not be used.
 */
export function decodeSparse<T extends Bits>({ bitmap, values }: Sparse<T>, elements: T): string | undefined {
  const length = elements.length;
  if (bitmap.length !== Math.ceil(length / 8)) {
    return `a bitmap of ${bitmap.length} bytes for ${length} elements instead of ${Math.ceil(length / 8)}`;
  }
  const unused = bitmap.length * 8 - length;
  if (unused > 0 && bitmap[bitmap.length - 1]! >>> (8 - unused) !== 0) return 'bits set behind its last element';
  const taken = fill(bitmap, values, elements);
  return taken === values.length ? undefined : `${taken} bits set in its bitmap but ${values.length} values`;
}

/**
 * The loop over a whole model's weights: eight elements at a time without a branch. How many values were taken; more
 * than there are where the bitmap asks for them.
 */
function fill(bitmap: Uint8Array, values: Bits, elements: Bits): number {
  const length = elements.length;
  let next = 0;
  let i = 0;
  // While eight more values are surely there, no read goes past the end.
  for (; i + 8 <= length && next + 8 <= values.length; i += 8) {
    const byte = bitmap[i >>> 3]!;
    elements[i] = values[next]! & -(byte & 1);
    next += byte & 1;
    elements[i + 1] = values[next]! & -((byte >>> 1) & 1);
    next += (byte >>> 1) & 1;
    elements[i + 2] = values[next]! & -((byte >>> 2) & 1);
    next += (byte >>> 2) & 1;
    elements[i + 3] = values[next]! & -((byte >>> 3) & 1);
    next += (byte >>> 3) & 1;
    elements[i + 4] = values[next]! & -((byte >>> 4) & 1);
    next += (byte >>> 4) & 1;
    elements[i + 5] = values[next]! & -((byte >>> 5) & 1);
    next += (byte >>> 5) & 1;
    elements[i + 6] = values[next]! & -((byte >>> 6) & 1);
    next += (byte >>> 6) & 1;
    elements[i + 7] = values[next]! & -(byte >>> 7);
    next += byte >>> 7;
  }
  for (; i < length; i++) {
    if (((bitmap[i >>> 3]! >>> (i & 7)) & 1) === 1) {
      if (next < values.length) elements[i] = values[next]!;
      next++;
    }
  }
  return next;
}

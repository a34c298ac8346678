import { describe, expect, it } from 'vitest';
import { decodeSparse, encodeSparse, sparseBytes } from '../../../lib/model/format/sparseCoding.js';
import fc from '../../fastCheck.js';

const sparseInts = fc
  .array(fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer() }), { maxLength: 70 })
  .map((items) => Int32Array.from(items));

describe('sparse coding', () => {
  it('gives back the same bits, and needs the bytes it says', () => {
    fc.assert(
      fc.property(sparseInts, (elements) => {
        const sparse = encodeSparse(elements);
        expect(sparse.values).not.toContain(0);
        expect(sparse.bitmap.length + sparse.values.byteLength).toBe(sparseBytes(elements));
        const decoded = new Int32Array(elements.length);
        expect(decodeSparse(sparse, decoded)).toBeUndefined();
        expect(decoded).toEqual(elements);
      }),
      { numRuns: 300 },
    );
  });

  it('sets the bit of each kept element, the lowest first', () => {
    const elements = Int32Array.of(5, 0, 0, 6, 0, 0, 0, 0, 0, 7);
    expect(encodeSparse(elements)).toEqual({ bitmap: Uint8Array.of(0b1001, 0b10), values: Int32Array.of(5, 6, 7) });
  });

  it('keeps a negative zero', () => {
    const bits = new Int32Array(Float32Array.of(-0, 0, 1).buffer);
    expect(encodeSparse(bits).values).toHaveLength(2);
  });

  it('notices any bit flipped in the bitmap', () => {
    fc.assert(
      fc.property(
        sparseInts
          .filter((elements) => elements.length > 0)
          .chain((elements) => fc.tuple(fc.constant(elements), fc.nat(Math.ceil(elements.length / 8) * 8 - 1))),
        ([elements, bit]) => {
          const { bitmap, values } = encodeSparse(elements);
          bitmap[bit >> 3]! ^= 1 << (bit & 7);
          expect(decodeSparse({ bitmap, values }, new Int32Array(elements.length))).toEqual(expect.any(String));
        },
      ),
    );
  });

  it('notices a bitmap of another length', () => {
    expect(decodeSparse({ bitmap: new Uint8Array(2), values: new Int32Array() }, new Int32Array(8))).toContain(
      '2 bytes',
    );
  });
});

import { describe, expect, it } from 'vitest';
import { type Embedded, findDuplicates, mostSimilar } from '../../lib/similar/similar.js';

/** A vector of length 1 at an angle of so many degrees. */
const at = (file: string, degrees: number): Embedded => {
  const angle = (degrees * Math.PI) / 180;
  return { file, vector: Float32Array.of(Math.cos(angle), Math.sin(angle)) };
};

describe('near duplicates', () => {
  it('are grouped, also when only one of them is near each of the others', () => {
    const groups = findDuplicates([at('a', 0), at('far', 90), at('b', 10), at('c', 20)], Math.cos(Math.PI / 16));
    expect(groups.map(({ files }) => files)).toEqual([['a', 'b', 'c']]);
    expect(groups[0]!.similarity).toBeCloseTo(Math.cos(Math.PI / 18), 5);
  });

  it('come with the largest group first', () => {
    const pictures = [at('a', 0), at('b', 0), at('c', 90), at('d', 90), at('e', 90)];
    expect(findDuplicates(pictures).map(({ files }) => files)).toEqual([
      ['c', 'd', 'e'],
      ['a', 'b'],
    ]);
  });

  it.each([0, -1, 1.5, Number.NaN])('are refused for a threshold of %d', (threshold) => {
    expect(() => findDuplicates([], threshold)).toThrow(/threshold/);
  });
});

describe('similar pictures', () => {
  it('are ordered by likeness, without the picture itself', () => {
    const pictures = [at('self', 0), at('far', 120), at('near', 5), at('nearer', 2)];
    expect(mostSimilar(pictures[0]!, pictures, 2).map(({ b }) => b)).toEqual(['nearer', 'near']);
  });
});

import { invalidArgument } from '../errors.js';

/** A picture and its feature vector, `[width]`, of length 1. */
export interface Embedded {
  readonly file: string;
  readonly vector: Float32Array;
}

/** Two pictures and how alike they look. */
export interface Pair {
  readonly a: string;
  readonly b: string;
  /** Cosine of the angle between their features, -1 to 1; 1 for the same picture. */
  readonly similarity: number;
}

/** Pictures that show the same: every one of a group is a near duplicate of another one in it. */
export interface DuplicateGroup {
  readonly files: readonly string[];
  /** The least similarity that holds the group together. */
  readonly similarity: number;
}

/** From this similarity on two pictures count as the same one, saved or cropped another way. */
export const DUPLICATE = 0.97;

/**
 * Groups of pictures that show the same, largest group first.
 *
 * @param threshold similarity from which two pictures count as duplicates, above 0 to 1
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for a threshold that is none
 */
export function findDuplicates(pictures: readonly Embedded[], threshold: number = DUPLICATE): DuplicateGroup[] {
  if (!(threshold > 0 && threshold <= 1)) throw invalidArgument('threshold', 'a number above 0, at most 1', threshold);
  const parents = pictures.map((_, index) => index);
  const least = pictures.map(() => 1);
  const rootOf = (index: number): number => {
    while (parents[index] !== index) {
      parents[index] = parents[parents[index]!]!;
      index = parents[index]!;
    }
    return index;
  };
  for (let i = 0; i < pictures.length; i++) {
    for (let j = i + 1; j < pictures.length; j++) {
      const similarity = cosine(pictures[i]!.vector, pictures[j]!.vector);
      if (similarity < threshold) continue;
      const [a, b] = [rootOf(i), rootOf(j)];
      least[a] = Math.min(least[a]!, least[b]!, a === b ? 1 : similarity);
      parents[b] = a;
    }
  }
  const groups = new Map<number, string[]>();
  for (const [index, { file }] of pictures.entries()) {
    const root = rootOf(index);
    groups.set(root, [...(groups.get(root) ?? []), file]);
  }
  return [...groups]
    .filter(([, files]) => files.length > 1)
    .map(([root, files]) => ({ files, similarity: least[root]! }))
    .sort((a, b) => b.files.length - a.files.length);
}

/** The `count` pictures that look most like `picture`, most alike first; itself is not among them. */
export function mostSimilar(picture: Embedded, pictures: readonly Embedded[], count: number): Pair[] {
  return pictures
    .filter(({ file }) => file !== picture.file)
    .map(({ file, vector }) => ({ a: picture.file, b: file, similarity: cosine(picture.vector, vector) }))
    .sort((a, b) => b.similarity - a.similarity)
    .slice(0, count);
}

/** Cosine of the angle between two vectors of length 1. */
function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** How well one class is told from the others; null where there is nothing to divide by. */
export interface ClassScore {
  readonly label: string;
  readonly images: number;
  /** Of the images named so, the share that is. */
  readonly precision: number | null;
  /** Of the class's images, the share that is named so. */
  readonly recall: number | null;
  /** The harmonic mean of both. */
  readonly f1: number | null;
}

/** Images by right class (rows) and named class (columns). */
export interface Confusion {
  readonly labels: readonly string[];
  readonly confusion: readonly (readonly number[])[];
}

/** Precision, recall and F1 of each class, as scikit-learn defines them. */
export function classScores({ labels, confusion }: Confusion): ClassScore[] {
  return labels.map((label, at) => {
    const right = confusion[at]![at]!;
    const images = confusion[at]!.reduce((sum, count) => sum + count, 0);
    const named = confusion.reduce((sum, row) => sum + row[at]!, 0);
    const share = (of: number): number | null => (of === 0 ? null : right / of);
    return { label, images, precision: share(named), recall: share(images), f1: share((images + named) / 2) };
  });
}

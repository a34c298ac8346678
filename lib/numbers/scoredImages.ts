/** How many pictures a model was shown. */
export interface ScoredPictures {
  readonly images: number;
  /** Where the model has a reject class: how many of them show none of the other classes. */
  readonly rejection?: { readonly others: number } | undefined;
}

/** Pictures that accuracies are shares of: those of other things count in `rejection` alone. */
export function scoredImages({ images, rejection }: ScoredPictures): number {
  return images - (rejection?.others ?? 0);
}

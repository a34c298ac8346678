/** What became of one of many. */
export type Outcome<T> = { readonly value: T } | { readonly error: unknown };

/**
 * Works on many things at the same time and gives their outcomes in the order of the things. No more than `atOnce` are in
 * hand, so a slow reader of the outcomes slows the work instead of filling memory.
 */
export async function* inOrder<I, T>(
  items: readonly I[],
  atOnce: number,
  work: (item: I, index: number) => Promise<T>,
): AsyncGenerator<Outcome<T>> {
  const inHand: Promise<Outcome<T>>[] = [];
  let next = 0;
  const begin = (): void => {
    const index = next++;
    inHand.push(
      work(items[index] as I, index).then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      ),
    );
  };
  try {
    while (next < items.length && inHand.length < atOnce) begin();
    while (inHand.length > 0) {
      const outcome = await (inHand[0] as Promise<Outcome<T>>);
      inHand.shift();
      if (next < items.length) begin();
      yield outcome;
    }
  } finally {
    // Whoever stops listening may free what the work uses.
    await Promise.all(inHand);
  }
}

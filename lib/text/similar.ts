/** Of `known` the word that was probably meant by `word`: at most two letters added, left out or changed; case and hyphens do not count. */
export function similarTo(word: string, known: readonly string[]): string | undefined {
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[-_]/g, '');
  const distances = known.map((candidate) => editDistance(plain(word), plain(candidate)));
  const least = Math.min(...distances);
  // Half of a short word changed is another word.
  return least <= Math.min(2, word.length / 3) ? known[distances.indexOf(least)] : undefined;
}

/** Levenshtein's: letters added, left out or changed on the way from `a` to `b`. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

import fc from '../../fastCheck.js';

/**
 * Reads a binary cut short at every byte, and altered in a few of them: what a reader throws must be its own error.
 *
 * @param runs alterations tried
 */
export function readDamaged(
  whole: Buffer,
  { read, own, runs }: { read: (file: Buffer) => unknown; own: new (message: string) => Error; runs: number },
): void {
  const attempt = (file: Buffer): void => {
    try {
      read(file);
    } catch (error) {
      if (!(error instanceof own)) throw error;
    }
  };
  for (let length = 0; length < whole.length; length++) attempt(whole.subarray(0, length));
  const edits = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(edits, (changes) => {
      const file = Buffer.from(whole);
      for (const [at, value] of changes) file[at] = value;
      attempt(file);
    }),
    { numRuns: runs },
  );
}

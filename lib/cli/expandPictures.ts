import { stat } from 'node:fs/promises';
import { findImages } from '../image/find.js';

/** Files as they are, directories as the pictures in them; what can't be listed is reported. */
export async function expandPictures(inputs: readonly string[], report: (error: unknown) => void): Promise<string[]> {
  const files: string[] = [];
  for (const input of inputs) {
    const isDirectory =
      input !== '-' &&
      (await stat(input).then(
        (entry) => entry.isDirectory(),
        () => false,
      ));
    if (!isDirectory) {
      files.push(input);
      continue;
    }
    try {
      for (const file of await findImages(input, { onUnreadable: report })) files.push(file);
    } catch (error) {
      report(error);
    }
  }
  return files;
}

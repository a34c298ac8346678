import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError, NeonsenseError, shortened } from '../errors.js';
import { findImages } from '../image/find.js';

/** One photo to learn from. */
export interface Photo {
  readonly file: string;
  /** Index into the labels. */
  readonly label: number;
}

/** Folder of things that are none of the classes. */
export const OTHER = 'other';

/**
 * The photos of a folder with one folder a class, whose name is the label. `other` comes last, so that its photos
 * teach what is none of the classes.
 *
 * @param most photos taken of each class, spread evenly over its files
 * @throws {NeonsenseError} `ERR_NOT_FOUND` for no folder, `ERR_DATASET` for fewer than two classes or a class without
 * photos
 */
export async function findPhotos(
  folder: string,
  most = Number.POSITIVE_INFINITY,
): Promise<{ readonly labels: readonly string[]; readonly photos: readonly Photo[] }> {
  const entry = await stat(folder).catch((cause: unknown) => {
    throw fileError(
      cause,
      `There is no folder of photos at ${shortened(folder)}`,
      `${shortened(folder)} can't be read`,
    );
  });
  const names = entry.isDirectory() ? await classFolders(folder) : [];
  if (names.length === 0) {
    throw new NeonsenseError(
      'ERR_DATASET',
      `Expected one folder of photos per class in ${shortened(folder)}, such as ${join(folder, 'cat')} and ` +
        `${join(folder, 'dog')}, but found no folder`,
    );
  }
  const photos: Photo[] = [];
  for (const [label, name] of names.entries()) {
    const files = await findImages(join(folder, name), { onUnreadable: () => undefined });
    const count = Math.min(files.length, most);
    for (let i = 0; i < count; i++) photos.push({ file: files[Math.floor((i * files.length) / count)]!, label });
  }
  return { labels: names, photos };
}

async function classFolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name);
  return names.sort((a, b) => Number(a === OTHER) - Number(b === OTHER) || (a < b ? -1 : 1));
}

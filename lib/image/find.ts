import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError, NeonsenseError, shortened } from '../errors.js';
import { IMAGE_EXTENSIONS, isPicturePath } from './format.js';

/**
 * Lists the picture files below a directory, by extension, each folder's entries in code-unit order. Symbolic links
 * are followed, but no folder is visited twice; entries that start with a dot are left out.
 *
 * @param options.onUnreadable Told of each sub-folder or link that can't be read; without it the first one throws.
 * @throws {NeonsenseError} `ERR_NOT_FOUND` where the directory is missing or holds no picture, `ERR_IO` where it can't
 *   be read.
 */
export async function findImages(
  directory: string,
  options: { readonly onUnreadable?: (error: NeonsenseError) => void } = {},
): Promise<string[]> {
  const found: string[] = [];
  const visited = new Set<string>();

  async function walk(folder: string): Promise<void> {
    const real = await realpath(folder);
    if (visited.has(real)) return;
    visited.add(real);
    const entries = await readdir(folder, { withFileTypes: true });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      if (entry.name.startsWith('.')) continue;
      const path = join(folder, entry.name);
      const isImage = isPicturePath(entry.name);
      try {
        const kind = entry.isSymbolicLink() ? await stat(path) : entry;
        if (kind.isDirectory()) await walk(path);
        else if (isImage && kind.isFile()) found.push(path);
      } catch (cause) {
        const error = cause instanceof NeonsenseError ? cause : unreadable(path, cause);
        if (options.onUnreadable === undefined) throw error;
        options.onUnreadable(error);
      }
    }
  }

  try {
    await walk(directory);
  } catch (cause) {
    throw cause instanceof NeonsenseError ? cause : unreadable(directory, cause);
  }
  if (found.length === 0) {
    const extensions = IMAGE_EXTENSIONS.map((extension) => `.${extension}`).join(', ');
    throw new NeonsenseError('ERR_NOT_FOUND', `${shortened(directory)} holds no pictures (${extensions})`);
  }
  return found;
}

function unreadable(path: string, cause: unknown): NeonsenseError {
  return fileError(cause, `${shortened(path)} does not exist`, `${shortened(path)} can't be read`);
}

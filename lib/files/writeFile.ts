import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileError } from '../errors.js';

/**
 * Writes `content` to `path` whole or not at all: to a temporary name in the same directory, synced to the disk, then
 * renamed over `path`. A reader sees the old file or the new one, never a part.
 *
 * @throws {NeonsenseError} `ERR_NOT_FOUND` when the directory does not exist, `ERR_IO` when writing fails; nothing is
 * left behind.
 */
export async function writeFileAtomically(path: string, content: Uint8Array | string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    const failed = `Cannot write ${path}`;
    throw fileError(error, `${failed}: its directory ${dirname(path)} does not exist`, failed);
  }
}

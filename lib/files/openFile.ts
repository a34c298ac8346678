import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/**
 * Opens a file to read it. A named pipe does not keep one waiting for its writer: that would hold one of the four threads
 * that serve all files, and no signal could end it. (Windows has neither such pipes nor the flag.)
 *
 * @throws {Error} what the system says
 */
function openFile(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
}

/**
 * {@link openFile} for what must be a regular file: what else lies there (a pipe, a device, a socket) would never end,
 * or never begin.
 *
 * @throws {Error} what the system says, and an error that says what it is instead
 */
export async function openRegularFile(path: string): Promise<{ readonly handle: FileHandle; readonly bytes: number }> {
  const handle = await openFile(path);
  try {
    const stats = await handle.stat();
    if (stats.isFile()) return { handle, bytes: stats.size };
    const kind = stats.isDirectory() ? 'a directory' : stats.isFIFO() ? 'a named pipe' : 'a device';
    throw new Error(`it is ${kind}, not a regular file`);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * The bytes of a regular file.
 *
 * @throws {NeonsenseError} as {@link openRegularFile}
 */
export async function readRegularFile(path: string): Promise<Buffer> {
  const { handle } = await openRegularFile(path);
  try {
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { type FileHandle, lstat, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileError, invalidArgument, shortened } from '../errors.js';

/**
 * Writes `content` to `path` whole or not at all: to a temporary name in the same directory, synced to the disk, then
 * renamed over `path`. A reader sees the old file or the new one, never a part.
 *
 * A file that is overwritten keeps its mode, and its owner where that is allowed. Through a symbolic link the file it leads
 * to is written, and the link stays. What is no regular file (a device, a pipe, a directory) is left alone.
 *
 * @throws {NeonsenseError} `ERR_NOT_FOUND` when the directory does not exist, `ERR_IO` when writing fails or something
 * else than a file is there; nothing is left behind.
 */
export async function writeFileAtomically(path: string, content: Uint8Array | string): Promise<void> {
  if (typeof path !== 'string' || path === '') throw invalidArgument('file', 'a path', path);
  let temporary: string | undefined;
  try {
    const { target, old } = await targetOf(path);
    temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}.tmp`);
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(content);
      if (old !== undefined) await takeOver(handle, old);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
  } catch (error) {
    if (temporary !== undefined) await rm(temporary, { force: true }).catch(() => undefined);
    const failed = `Cannot write ${shortened(path)}`;
    throw fileError(error, `${failed}: its directory ${shortened(dirname(path))} does not exist`, failed);
  }
}

/** The file itself, past any symbolic links, and what is there now. */
async function targetOf(path: string): Promise<{ readonly target: string; readonly old: Stats | undefined }> {
  const found = await lstat(path).catch(ifMissing);
  if (found === undefined) return { target: path, old: undefined };
  if (!found.isSymbolicLink()) return { target: path, old: regular(found) };
  const target = await realpath(path).catch(ifMissing);
  if (target === undefined) throw new Error('it is a symbolic link to something that does not exist');
  return { target, old: regular(await stat(target)) };
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

function regular(stats: Stats): Stats {
  if (stats.isFile()) return stats;
  const kind = stats.isDirectory() ? 'a directory' : stats.isFIFO() ? 'a named pipe' : 'a device or socket';
  throw new Error(`it is ${kind}, which is not overwritten`);
}

async function takeOver(handle: FileHandle, { mode, uid, gid }: Stats): Promise<void> {
  const own = await handle.stat();
  // Only root may give files away.
  if (own.uid !== uid || own.gid !== gid) await handle.chown(uid, gid).catch(() => undefined);
  await handle.chmod(mode & 0o7777);
}

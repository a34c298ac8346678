import { addAbortSignal } from 'node:stream';
import { NeonsenseError, throwIfAborted } from '../errors.js';
import { readStream } from '../image/pictureFile.js';
import { note } from './notes.js';

/** How messages call it. */
export const STANDARD_INPUT = 'standard input';

/**
 * Reads the one picture that was piped in. What does not begin as a picture is refused before it is read to its end.
 *
 * @param signal Stops waiting for more.
 * @throws {NeonsenseError} `ERR_IMAGE`, `ERR_IO`, `ERR_ABORTED`
 */
export async function readStandardInput(signal: AbortSignal): Promise<Uint8Array> {
  if (process.stdin.isTTY) note(`reading a picture from ${STANDARD_INPUT}`);
  try {
    return await readStream(addAbortSignal(signal, process.stdin), STANDARD_INPUT);
  } catch (cause) {
    throwIfAborted(signal);
    if (cause instanceof NeonsenseError) throw cause;
    throw new NeonsenseError('ERR_IO', `${STANDARD_INPUT} can't be read: ${String(cause)}`, { cause });
  }
}

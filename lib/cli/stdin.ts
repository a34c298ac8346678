import { addAbortSignal } from 'node:stream';
import { NeonsenseError, throwIfAborted } from '../errors.js';
import { checkImageFormat, HEAD_BYTES } from '../image/format.js';

/** More than any picture that would be decoded: 100 megapixels of 16-bit RGBA. */
const MAX_BYTES = 800_000_000;

/** How messages call it. */
export const STANDARD_INPUT = 'standard input';

/**
 * Reads the one picture that was piped in. What does not begin as a picture is refused before it is read to its end.
 *
 * @param signal Stops waiting for more.
 * @throws NeonsenseError `ERR_IMAGE`, `ERR_ABORTED`
 */
export async function readStandardInput(signal: AbortSignal): Promise<Uint8Array> {
  if (process.stdin.isTTY) process.stderr.write(`neonsense: reading a picture from ${STANDARD_INPUT}\n`);
  const chunks: Buffer[] = [];
  let length = 0;
  let checked = false;
  try {
    for await (const chunk of addAbortSignal(signal, process.stdin) as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (!checked && length >= HEAD_BYTES) {
        checkImageFormat(Buffer.concat(chunks).subarray(0, HEAD_BYTES), STANDARD_INPUT);
        checked = true;
      }
      if (length > MAX_BYTES) {
        throw new NeonsenseError('ERR_IMAGE', `${STANDARD_INPUT} is longer than ${MAX_BYTES} bytes`);
      }
    }
  } catch (cause) {
    throwIfAborted(signal);
    if (cause instanceof NeonsenseError) throw cause;
    throw new NeonsenseError('ERR_IO', `${STANDARD_INPUT} can't be read: ${String(cause)}`, { cause });
  }
  const all = Buffer.concat(chunks);
  checkImageFormat(all.subarray(0, HEAD_BYTES), STANDARD_INPUT);
  return all;
}

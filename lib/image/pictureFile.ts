import { close as closeDescriptor, constants, open as openDescriptor } from 'node:fs';
import { type FileHandle, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { describe, NeonsenseError, shortened, throwIfAborted } from '../errors.js';
import { openFile } from '../files/openFile.js';
import { machineLimit } from '../machineLimit.js';
import { checkImageFormat, HEAD_BYTES } from './format.js';

/** Encoded pictures are read up to here: more than 100 megapixels of 16-bit RGBA. */
export const MAX_ENCODED_BYTES = 800_000_000;

/** Whether opening `path` reads a file, not a pipe, whose writer may take its time. False where nothing is there. */
export async function isPipe(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFIFO(),
    () => false,
  );
}

/**
 * Reads a picture file, but of a file that is no picture only the first bytes, however large it is.
 *
 * @param signal Stops waiting for the writer of a named pipe.
 * @throws {NeonsenseError} `ERR_NOT_FOUND`, `ERR_IO`, `ERR_IMAGE`, `ERR_ABORTED`
 */
export async function readPictureFile(path: string, signal?: AbortSignal): Promise<Uint8Array> {
  try {
    if (await isPipe(path)) return await readPipe(path, signal);
    const file = await openFile(path);
    try {
      return await readWhole(file, path);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throwIfAborted(signal);
    if (cause instanceof NeonsenseError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new NeonsenseError('ERR_NOT_FOUND', `${shortened(path)} does not exist`, { cause });
    }
    if (code === 'EISDIR') {
      throw new NeonsenseError('ERR_IO', `${shortened(path)} is a directory; expected a picture file`, { cause });
    }
    if (code === 'ERR_INVALID_ARG_VALUE') {
      const message = `Expected a file path but received ${describe(path)}`;
      throw new NeonsenseError('ERR_INVALID_ARGUMENT', message, { cause });
    }
    const why = machineLimit(cause) ?? (cause as Error).message.split('\n', 1)[0]!;
    throw new NeonsenseError('ERR_IO', `${shortened(path)} can't be read: ${shortened(why)}`, { cause });
  }
}

/** A file of known length into memory of that length; a device, which has none, until it ends. */
async function readWhole(file: FileHandle, path: string): Promise<Uint8Array> {
  const { size } = await file.stat();
  const head = Buffer.alloc(HEAD_BYTES);
  const begun = await fill(file, head);
  checkImageFormat(head.subarray(0, begun), path);
  if (size > MAX_ENCODED_BYTES) throw tooLong(path);
  if (size === 0) return readStream(file.createReadStream({ autoClose: false }), path, head.subarray(0, begun));
  const whole = Buffer.allocUnsafeSlow(Math.max(size, begun));
  head.copy(whole, 0, 0, begun);
  return whole.subarray(0, begun + (await fill(file, whole.subarray(begun))));
}

/** Reads until `target` is full or the file ends; gives back how many bytes there were. */
async function fill(file: FileHandle, target: Uint8Array): Promise<number> {
  let filled = 0;
  while (filled < target.length) {
    const { bytesRead } = await file.read(target, filled, target.length - filled, null);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

/** Reads what is written to a named pipe, without holding a thread while nobody writes. */
async function readPipe(path: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const descriptor = await new Promise<number>((resolve, reject) => {
    openDescriptor(path, constants.O_RDONLY | constants.O_NONBLOCK, (error, opened) =>
      error === null ? resolve(opened) : reject(error),
    );
  });
  if (signal?.aborted) closeDescriptor(descriptor);
  throwIfAborted(signal);
  const [{ Socket }, { addAbortSignal }] = await Promise.all([import('node:net'), import('node:stream')]);
  const socket = new Socket({ fd: descriptor, readable: true, writable: false });
  return readStream(signal === undefined ? socket : addAbortSignal(signal, socket), path);
}

/**
 * Reads a stream to its end, but refuses one that does not begin as a picture at once.
 *
 * @param name How messages call it.
 * @param begun What of it was read before.
 * @throws {NeonsenseError} `ERR_IMAGE`, and what the stream throws
 */
export async function readStream(stream: Readable, name: string, begun?: Uint8Array): Promise<Uint8Array> {
  const chunks = begun === undefined ? [] : [begun];
  let length = begun?.length ?? 0;
  let checked = false;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (!checked && length >= HEAD_BYTES) {
      checkImageFormat(Buffer.concat(chunks).subarray(0, HEAD_BYTES), name);
      checked = true;
    }
    if (length > MAX_ENCODED_BYTES) throw tooLong(name);
  }
  const whole = Buffer.concat(chunks, length);
  checkImageFormat(whole.subarray(0, HEAD_BYTES), name);
  return whole;
}

function tooLong(name: string): NeonsenseError {
  return new NeonsenseError(
    'ERR_IMAGE',
    `${shortened(name)} is longer than ${MAX_ENCODED_BYTES} bytes, the most that are read`,
  );
}

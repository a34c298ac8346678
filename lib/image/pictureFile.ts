import { closeSync, constants, createReadStream, existsSync, open, read, type Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { describe, NeonsenseError, shortened, throwIfAborted } from '../errors.js';
import { machineLimit } from '../machineLimit.js';
import { checkImageFormat, HEAD_BYTES } from './format.js';

/** Encoded pictures are read up to here: more than 100 megapixels of 16-bit RGBA. */
export const MAX_ENCODED_BYTES = 800_000_000;

/** What lies at `path`: a file, or a pipe, whose writer may take its time. Undefined where nothing is there. */
export async function lookUp(path: string): Promise<Stats | undefined> {
  return stat(path).catch(() => undefined);
}

/** What begins a picture file is read in one piece, which is all of a small one. */
const BEGINNING_BYTES = 64 * 1024;

/**
 * Files are opened by their bare descriptors: each call that goes to another thread and back costs a tenth of what a small
 * picture takes, so there is none to close them, nor a second one for their size. A named pipe does not keep one waiting.
 */
const openDescriptor = (path: string): Promise<number> =>
  promisify(open)(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));

/** A picture file that is open. It is no pipe, and begins as a picture. */
export class PictureFile {
  readonly #path: string;
  readonly #descriptor: number;
  readonly #size: number;
  /** Its first bytes, at least {@link HEAD_BYTES} where there are as many. */
  readonly beginning: Uint8Array;
  #whole: Promise<Uint8Array> | undefined;

  private constructor(path: string, descriptor: number, size: number, beginning: Uint8Array) {
    this.#path = path;
    this.#descriptor = descriptor;
    this.#size = size;
    this.beginning = beginning;
  }

  /**
   * Opens a file and looks at its first bytes: of what is no picture nothing more is read, however large it is.
   *
   * @param found what {@link lookUp} gave
   * @throws {NeonsenseError} `ERR_NOT_FOUND`, `ERR_IO`, `ERR_IMAGE`
   */
  static open(path: string, found: Stats | undefined): Promise<PictureFile> {
    return failuresNamed(path, undefined, async () => {
      const descriptor = await openDescriptor(path);
      try {
        const size = found?.size ?? 0;
        const beginning = Buffer.allocUnsafeSlow(size === 0 ? HEAD_BYTES : Math.min(size, BEGINNING_BYTES));
        const begun = beginning.subarray(0, await fill(descriptor, beginning));
        checkImageFormat(begun.subarray(0, HEAD_BYTES), path);
        if (size > MAX_ENCODED_BYTES) throw tooLong(path);
        return new PictureFile(path, descriptor, size, begun);
      } catch (error) {
        closeSync(descriptor);
        throw error;
      }
    });
  }

  /** A name that leads to the open file, whatever has become of its path; undefined where the system gives none. */
  get link(): string | undefined {
    return this.#size > 0 && hasLinks() ? `/proc/self/fd/${this.#descriptor}` : undefined;
  }

  /**
   * All of it: of a file of known length as much memory as it takes; of a device, which has none, until it ends.
   *
   * @throws {NeonsenseError} `ERR_IO`, `ERR_IMAGE`
   */
  whole(): Promise<Uint8Array> {
    this.#whole ??= failuresNamed(this.#path, undefined, () => this.#read());
    return this.#whole;
  }

  /** Once nothing of it is being read. */
  close(): void {
    closeSync(this.#descriptor);
  }

  async #read(): Promise<Uint8Array> {
    if (this.#size === 0) {
      const stream = createReadStream(this.#path, { fd: this.#descriptor, autoClose: false });
      return readStream(stream, this.#path, this.beginning);
    }
    const { length } = this.beginning;
    if (length >= this.#size || length < BEGINNING_BYTES) return this.beginning;
    const whole = Buffer.allocUnsafeSlow(this.#size);
    whole.set(this.beginning);
    return whole.subarray(0, length + (await fill(this.#descriptor, whole.subarray(length))));
  }
}

let links: boolean | undefined;

/** Whether the system has names for a process's open files. A sandbox may hide them. */
function hasLinks(): boolean {
  links ??= existsSync('/proc/self/fd/0') || existsSync('/proc/self/fd/1');
  return links;
}

/** What `read` gives, or what went wrong in plain words. */
async function failuresNamed<T>(path: string, signal: AbortSignal | undefined, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
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

/** Reads until `target` is full or the file ends; gives back how many bytes there were. */
async function fill(descriptor: number, target: Uint8Array): Promise<number> {
  let filled = 0;
  while (filled < target.length) {
    const from = filled;
    const bytes = await new Promise<number>((resolve, reject) => {
      read(descriptor, target, from, target.length - from, null, (error, count) =>
        error === null ? resolve(count) : reject(error),
      );
    });
    if (bytes === 0) break;
    filled += bytes;
  }
  return filled;
}

/**
 * Reads what is written to a named pipe, without holding a thread while nobody writes.
 *
 * @param signal stops waiting
 * @throws {NeonsenseError} `ERR_IO`, `ERR_IMAGE`, `ERR_ABORTED`
 */
export function readPipe(path: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  return failuresNamed(path, signal, () => readWritten(path, signal));
}

async function readWritten(path: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const descriptor = await openDescriptor(path);
  if (signal?.aborted) closeSync(descriptor);
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

import { type FileHandle, open } from 'node:fs/promises';
import { fileError, NeonsenseError, shortened } from '../errors.js';

const NEWLINE = 0x0a;
const PIECE = 1 << 20;
/** Bytes a line may have; one with every class of ImageNet has less. */
const LONGEST_LINE = 4 << 20;
/** How each line begins, so how one that is cut off does. */
const BEGINNING = Buffer.from('{"file":');

/**
 * A file of JSON lines that a job appends to and goes on with: what it holds is done. A last line that is cut off, as a
 * killed process leaves one, is taken away.
 */
export class ResumedOutput implements AsyncDisposable {
  readonly #handle: FileHandle;
  readonly #done: ReadonlySet<string>;

  private constructor(handle: FileHandle, done: ReadonlySet<string>) {
    this.#handle = handle;
    this.#done = done;
  }

  /**
   * Opens `path`, which need not be there.
   *
   * @param model the one that goes on; lines of another are refused, since nobody could tell them apart later
   * @throws {NeonsenseError} `ERR_IO`; `ERR_DATASET` for a file that holds something else, which is left as it is
   */
  static async open(path: string, model: string): Promise<ResumedOutput> {
    let handle: FileHandle;
    try {
      handle = await open(path, 'a+');
    } catch (cause) {
      throw fileError(cause, `There is no folder for ${path}`, `${path} can't be opened`);
    }
    try {
      if (!(await handle.stat()).isFile()) throw notOurs(path, 'it is no regular file');
      const done = new Set<string>();
      const whole = await readLines(handle, path, (line) => {
        done.add(fileOf(line, model, path));
      });
      await handle.truncate(whole);
      return new ResumedOutput(handle, done);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Files that are done. */
  get count(): number {
    return this.#done.size;
  }

  isDone(file: string): boolean {
    return this.#done.has(file);
  }

  async append(line: string): Promise<void> {
    await this.#handle.appendFile(`${line}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

/** Gives each whole line; returns where the last one ends. What follows must be the beginning of one. */
async function readLines(handle: FileHandle, path: string, take: (line: string) => void): Promise<number> {
  const piece = Buffer.alloc(PIECE);
  let rest = Buffer.alloc(0);
  let end = 0;
  for (let at = 0; ; ) {
    const { bytesRead } = await handle.read(piece, 0, PIECE, at);
    if (bytesRead === 0) break;
    at += bytesRead;
    let held = Buffer.concat([rest, piece.subarray(0, bytesRead)]);
    for (let next = held.indexOf(NEWLINE); next >= 0; next = held.indexOf(NEWLINE)) {
      take(held.toString('utf8', 0, next));
      end += next + 1;
      held = held.subarray(next + 1);
    }
    if (held.length > LONGEST_LINE) throw notOurs(path, 'it has lines that are too long');
    rest = held;
  }
  const compared = Math.min(rest.length, BEGINNING.length);
  if (!rest.subarray(0, compared).equals(BEGINNING.subarray(0, compared))) throw notOurs(path, 'its end is none');
  return end;
}

function fileOf(line: string, model: string, path: string): string {
  let record: { readonly file?: unknown; readonly model?: unknown } | null;
  try {
    record = JSON.parse(line) as typeof record;
  } catch {
    throw notOurs(path, `it has the line ${shortened(line, 60)}`);
  }
  if (typeof record !== 'object' || record === null || typeof record.file !== 'string') {
    throw notOurs(path, `it has the line ${shortened(line, 60)}`);
  }
  if (record.model !== model) {
    throw new NeonsenseError(
      'ERR_DATASET',
      `${path} holds answers of ${shortened(String(record.model), 80)}: go on with that model, not ${model}, or write to another file`,
    );
  }
  return record.file;
}

function notOurs(path: string, why: string): NeonsenseError {
  return new NeonsenseError('ERR_DATASET', `${path} is not what \`neonsense classify --json\` writes: ${why}`);
}

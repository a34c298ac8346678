import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileError, shortened } from '../errors.js';
import { isPicturePath } from '../image/format.js';

/** Milliseconds between two looks at the folder. Looking works on every file system; being told does not. */
const LOOK_MS = 250;
/** A look may take this share of the time: a folder of 100,000 pictures is looked at less often. */
const LOOKING_SHARE = 0.1;

interface Picture {
  readonly size: number;
  readonly changed: number;
}

/**
 * Pictures that arrive in a folder, by name within one look, each when it has come whole: its size and time must be the
 * same in two looks. One that is written anew counts as new. What lies there already does not.
 *
 * @param signal ends it
 * @throws {NeonsenseError} `ERR_NOT_FOUND`, `ERR_IO` when the folder can't be read, also later
 */
export async function* arrivals(folder: string, signal?: AbortSignal): AsyncGenerator<string> {
  const given = await look(folder);
  let before = given;
  let took = 0;
  while (await waited(Math.max(LOOK_MS, took / LOOKING_SHARE), signal)) {
    const started = performance.now();
    const now = await look(folder);
    took = performance.now() - started;
    for (const name of given.keys()) if (!now.has(name)) given.delete(name);
    for (const [name, picture] of now) {
      if (picture.size === 0 || isSame(picture, given.get(name)) || !isSame(picture, before.get(name))) continue;
      given.set(name, picture);
      yield join(folder, name);
      if (signal?.aborted === true) return;
    }
    before = now;
  }
}

function isSame(a: Picture, b: Picture | undefined): boolean {
  return b !== undefined && a.size === b.size && a.changed === b.changed;
}

/** False when `signal` has ended the wait. */
async function waited(milliseconds: number, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await pause(milliseconds, undefined, signal === undefined ? {} : { signal });
    return true;
  } catch {
    return false;
  }
}

/** The pictures in `folder` by their names. */
async function look(folder: string): Promise<Map<string, Picture>> {
  const found = new Map<string, Picture>();
  for (const name of await namesIn(folder)) {
    if (name.startsWith('.') || !isPicturePath(name)) continue;
    // It may be gone again.
    const entry = await stat(join(folder, name)).catch(() => undefined);
    if (entry?.isFile() === true) found.set(name, { size: entry.size, changed: entry.mtimeMs });
  }
  return found;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (cause) {
    throw fileError(cause, `There is no folder ${shortened(folder)}`, `The folder ${shortened(folder)} can't be read`);
  }
}

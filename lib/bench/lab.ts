import { readFileSync } from 'node:fs';
import { invalidArgument, NeonsenseError, shortened } from '../errors.js';
import type { BenchRow } from './benchmark.js';

const LONGEST = 60;

/**
 * Sends rows to a device lab: `neonsense serve --lab FOLDER`.
 *
 * @param lab its address, such as `http://lab:8080`
 * @param board how the board is called there
 * @returns where the lab keeps them
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT` for an address that is none; `ERR_IO` when the lab does not take them
 */
export async function sendToLab(lab: string, board: string, rows: readonly BenchRow[]): Promise<string> {
  const url = labAddress(lab);
  let answer: Response;
  try {
    answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ board, rows }),
      signal: AbortSignal.timeout(30_000),
    });
  } catch (error) {
    const { cause } = error as Error;
    const why = cause instanceof Error ? cause.message : (error as Error).message;
    throw new NeonsenseError('ERR_IO', `The lab ${shortened(lab)} can't be reached: ${why}`, { cause: error });
  }
  const said = (await answer.json().catch(() => ({}))) as { readonly kept?: string; readonly error?: string };
  if (answer.ok && typeof said.kept === 'string') return said.kept;
  const why = answer.status === 404 ? 'it was started without --lab FOLDER' : (said.error ?? `status ${answer.status}`);
  throw new NeonsenseError('ERR_IO', `The lab ${shortened(lab)} did not take the rows: ${shortened(why)}`);
}

/** Checked before anything is measured. */
export function labAddress(lab: string): URL {
  const url = URL.canParse(lab) ? new URL('/v1/lab', lab) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw invalidArgument('--lab', 'the address of a neonsense serve --lab, such as http://lab:8080', lab);
  }
  return url;
}

/** What a board calls itself, else its CPU: lower case with hyphens, as the folders of bench/results. */
export function boardName(cpu: string): string {
  return slug(deviceTreeModel() ?? cpu) || 'board';
}

/** Lower case letters, digits and single hyphens. */
export function slug(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, LONGEST)
    .replaceAll(/^-+|-+$/g, '');
}

function deviceTreeModel(): string | undefined {
  try {
    return readFileSync('/proc/device-tree/model', 'utf8').replaceAll('\0', '');
  } catch {
    return undefined;
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { NeonsenseError } from '../errors.js';
import type { CommandLine } from './programs.js';

/** Milliseconds that a program gets to end by itself. */
const GRACE_MS = 2000;
/** Characters of its complaints that are kept. */
const KEPT = 2000;

/** A program whose output is read. */
export interface Source extends AsyncDisposable {
  readonly output: Readable;
  /**
   * Waits for its end, once its output has ended.
   *
   * @throws {NeonsenseError} `ERR_IO` with what it said, when it failed
   */
  ended(): Promise<void>;
}

/**
 * Starts a program. Disposing it ends it, by force when it does not listen, and waits until it is gone; so does the end
 * of this process by any way that lets it.
 *
 * @param stdin whether it reads what was piped into this process
 */
export function startSource({ program, args }: CommandLine, { stdin }: { readonly stdin: boolean }): Source {
  const child = spawn(program, args, { stdio: [stdin ? 'inherit' : 'ignore', 'pipe', 'pipe'] });
  // Node throws away what nobody has begun to read when a program ends, unless somebody listens.
  child.stdout!.on('readable', () => undefined);
  let complaints = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    complaints = (complaints + text).slice(-KEPT);
  });
  let failure: Error | undefined;
  const gone = new Promise<void>((resolve) => {
    child.on('error', (error) => {
      failure = error;
      resolve();
    });
    child.on('close', () => resolve());
  });
  let stopped = false;
  return {
    output: child.stdout!,
    async ended() {
      await gone;
      if (stopped || (failure === undefined && child.exitCode === 0)) return;
      const said = complaints.trim().split('\n').slice(-3).join('; ');
      const how = child.exitCode === null ? `ended by ${child.signalCode}` : `exit code ${child.exitCode}`;
      throw new NeonsenseError('ERR_IO', `${program} failed: ${failure?.message ?? (said === '' ? how : said)}`, {
        cause: failure,
      });
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      await endChild(child, gone);
    },
  };
}

/** Asks `child` to end, then makes it. */
async function endChild(child: ChildProcess, gone: Promise<void>): Promise<void> {
  child.stdout?.destroy();
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
  await gone;
  clearTimeout(force);
}

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const projectRoot = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
const main = join(projectRoot, 'dist', 'cli', 'main.js');

export interface Finished {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the built command line as a user would, in the project's root. */
export function start(args: readonly string[]): ChildProcessWithoutNullStreams {
  if (!existsSync(main)) throw new Error('dist/cli/main.js is not there: run `npm run build:ts` first');
  return spawn(process.execPath, [main, ...args], { cwd: projectRoot });
}

/** Waits for the end of a process, collecting what it says from now on. */
export function finish(child: ChildProcessWithoutNullStreams): Promise<Finished> {
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((resolveWith, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolveWith({ code, stdout, stderr }));
  });
}

/** Runs the command line to its end. */
export function neonsense(args: readonly string[], stdin: string | Uint8Array = ''): Promise<Finished> {
  const child = start(args);
  // It may well end before it has read everything.
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  return finish(child);
}

import { spawn } from 'node:child_process';
import { basename } from 'node:path';
import { checkTrialResult, NeonsenseError, type RunTrial, throwIfAborted } from '../../../lib/internal.js';

/** Characters of a program's standard error that go into a message when it fails. */
const STDERR_KEPT = 2000;

/**
 * Runs a Python program to its end and reads its last line as JSON.
 * @throws ERR_NATIVE with the end of its standard error when it fails, ERR_ABORTED when `signal` fires
 */
export async function runPython(python: string, args: readonly string[], signal?: AbortSignal): Promise<unknown> {
  throwIfAborted(signal);
  const child = spawn(python, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_KEPT);
  });
  const kill = (): void => void child.kill('SIGKILL');
  signal?.addEventListener('abort', kill, { once: true });
  try {
    const ending = await new Promise<string | undefined>((resolve) => {
      child.on('error', (error) => resolve(error.message));
      child.on('close', (code, killedBy) => resolve(code === 0 ? undefined : (killedBy ?? `exit code ${code}`)));
    });
    throwIfAborted(signal);
    if (ending === undefined) return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
    // The last line of a traceback is the error itself.
    const reason = stderr.trimEnd().split('\n').at(-1) || ending;
    throw new NeonsenseError('ERR_NATIVE', `${basename(args[0] ?? python)}: ${reason}`);
  } finally {
    signal?.removeEventListener('abort', kill);
  }
}

/** Trials by a Python program: `args` come before the spec, and it prints a TrialResult. */
export function pythonTrials(python: string, args: readonly string[]): RunTrial {
  return async (spec, signal) =>
    checkTrialResult(await runPython(python, [...args, JSON.stringify(spec)], signal), spec.engine);
}

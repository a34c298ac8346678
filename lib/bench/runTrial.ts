import { fork } from 'node:child_process';
import { join } from 'node:path';
import { NeonsenseError, throwIfAborted } from '../errors.js';
import { packageRoot } from '../package.js';
import { checkTrialResult } from './trialSchema.js';
import type { TrialResult, TrialSpec } from './trialSpec.js';

/** Runs one trial and gives back what it measured. */
export type RunTrial = (spec: TrialSpec, signal?: AbortSignal) => Promise<TrialResult>;

/** Characters of a trial's standard error that go into a message when it dies. */
const STDERR_KEPT = 4000;

/** Runs a trial in a fresh Node process; see `trialRunner`. */
export const runTrial: RunTrial = trialRunner(join(packageRoot, 'dist/bench/trial.js'));

/**
 * Makes a function that runs each trial in a fresh Node process. It throws ERR_ABORTED when its signal fires (the
 * process is killed), and ERR_NATIVE when the trial fails or dies.
 * @param script what the process runs: takes a TrialSpec as its argument and sends one TrialMessage
 */
export function trialRunner(script: string | URL): RunTrial {
  return async (spec, signal) => {
    throwIfAborted(signal);
    const child = fork(script, [JSON.stringify(spec)], {
      // The child is bare Node whatever flags (loaders, inspectors) this process was started with.
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let message: Partial<Record<'result' | 'error', unknown>> | undefined;
    let stderr = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-STDERR_KEPT);
    });
    child.on('message', (received) => {
      message = Object(received);
    });
    const kill = (): void => void child.kill('SIGKILL');
    signal?.addEventListener('abort', kill, { once: true });
    try {
      const ending = await new Promise<string>((resolve, reject) => {
        child.on('error', reject);
        child.on('close', (code, killedBy) => resolve(killedBy ?? `exit code ${code}`));
      });
      throwIfAborted(signal);
      if (message !== undefined && 'result' in message) return checkTrialResult(message.result, spec.engine);
      const reason = message?.error ?? `its process ended with ${ending}. ${stderr.trim()}`;
      throw new NeonsenseError('ERR_NATIVE', `A trial of ${spec.engine} failed: ${reason}`);
    } finally {
      signal?.removeEventListener('abort', kill);
    }
  };
}

import { type ChildProcess, spawn } from 'node:child_process';
import { complain } from './notes.js';

/** What a command is told of a change. */
export interface Change {
  /** The label that holds now; empty for none of them. */
  readonly label: string;
  /** Of the first label, 0 to 1. */
  readonly probability: number;
  readonly frame: number;
}

/**
 * A shell command that runs when the label changes. What the label is comes as an argument and in the environment, never
 * as part of the command, so that no label can be read as one. One runs at a time; of the changes that come meanwhile,
 * the last is told.
 */
export class ChangeCommand {
  readonly #command: string;
  #child: ChildProcess | undefined;
  #waiting: Change | undefined;
  #done: (() => void) | undefined;

  constructor(command: string) {
    this.#command = command;
  }

  run(change: Change): void {
    if (this.#child !== undefined) {
      this.#waiting = change;
      return;
    }
    const { label, probability, frame } = change;
    const child = spawn('/bin/sh', ['-c', this.#command, 'neonsense', label], {
      // What it prints must not mix with our results.
      stdio: ['ignore', 2, 2],
      // A group of its own, so that what it starts can be ended with it.
      detached: true,
      env: {
        ...process.env,
        NEONSENSE_LABEL: label,
        NEONSENSE_PROBABILITY: probability.toFixed(4),
        NEONSENSE_FRAME: String(frame),
      },
    });
    this.#child = child;
    child.on('error', (error) => this.#ended(error.message));
    child.on('exit', (code, signal) => this.#ended(code === 0 ? undefined : `${signal ?? `exit code ${code}`}`));
  }

  /** Waits for what runs and what waits. */
  async finished(): Promise<void> {
    while (this.#child !== undefined) {
      await new Promise<void>((resolve) => {
        this.#done = resolve;
      });
    }
  }

  /** Ends what runs, with all it started; nothing more will run. */
  stop(): void {
    this.#waiting = undefined;
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    try {
      // Windows has no groups of processes: there what the command started is left alone.
      if (process.platform === 'win32') this.#child?.kill();
      else process.kill(-pid, 'SIGTERM');
    } catch {
      // It is gone already.
    }
  }

  #ended(failure: string | undefined): void {
    if (this.#child === undefined) return;
    this.#child = undefined;
    if (failure !== undefined) complain(`the command of --exec: ${failure}`);
    const next = this.#waiting;
    this.#waiting = undefined;
    if (next !== undefined) this.run(next);
    this.#done?.();
  }
}

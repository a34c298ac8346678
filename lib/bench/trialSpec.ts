import type { OperatorTime } from '../runtime/binding.js';

/** What one child process measures. */
export interface TrialSpec {
  /** `neonsense`, a peer's name, or `bare`, which loads none: its memory is what Node itself takes. */
  readonly engine: string;
  /** Model file: any that `readModel` takes for our engine, what the peer takes for a peer. Empty for `bare`. */
  readonly file: string;
  /** File of the peer's module, as `require.resolve` found it. */
  readonly module?: string;
  readonly threads: number;
  readonly batch: number;
  /** Runs after the first that are not counted. */
  readonly warmup: number;
  /** Runs that are. */
  readonly runs: number;
  /** Options of our own sessions. */
  readonly fp16: boolean;
  readonly sparse: boolean;
  readonly profile: boolean;
  /** Of the random input, `[height, width]`. */
  readonly size: readonly [number, number];
}

/** What it found. */
export interface TrialResult {
  /** From nothing imported to a session that is ready: import, reading the file, packing. */
  readonly initMs: number;
  readonly firstMs: number;
  readonly samplesMs: readonly number[];
  /** The process's highest resident set. */
  readonly peakRssBytes: number;
  /** Of the first image of the input. */
  readonly logits: readonly number[];
  /** Mean over the faster half of the counted runs, in the order the operators run. */
  readonly profile?: readonly OperatorTime[];
}

/** What the child sends. */
export type TrialMessage = { readonly result: TrialResult } | { readonly error: string };

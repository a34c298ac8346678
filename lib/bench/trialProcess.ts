import { readFileSync } from 'node:fs';
import type { OperatorTime } from '../runtime/binding.js';
import { timeInTurn } from '../runtime/timeInTurn.js';
import type { TrialMessage, TrialResult, TrialSpec } from './trialSpec.js';

/** A loaded engine; `run` takes the input it was prepared with. */
export interface Prepared {
  run(): Promise<unknown>;
  /** Logits of the latest run's first image. */
  logits(): readonly number[];
  /** Times of the latest run's operators, where the engine can tell. */
  profile?(): OperatorTime[];
}

/**
 * Imports an engine, loads the model and makes ready to run it on `input`; all of it is timed.
 * @param input `[N, H, W, 3]`, the same numbers for every engine
 */
export type Prepare = (spec: TrialSpec, input: Float32Array) => Promise<Prepared>;

/**
 * Makes this process a trial: measures what its first argument, a TrialSpec as JSON, asks for, sends one TrialMessage to
 * the parent and ends. Imports of an engine belong into `prepare`.
 */
export function runAsTrial(prepare: Prepare): void {
  // Ctrl-C reaches the whole process group: the parent decides what to do about it. Without a parent there is no point.
  process.on('SIGINT', () => undefined);
  process.on('disconnect', () => process.exit(1));
  measure(JSON.parse(process.argv[2]!) as TrialSpec, prepare).then(
    (result) => finish({ result }),
    (error: unknown) => finish({ error: error instanceof Error ? error.message : String(error) }),
  );
}

/** Sends the one message this process is for, and ends it: an engine's threads may still be around. */
function finish(message: TrialMessage): void {
  process.send!(message, () => process.exit('error' in message ? 1 : 0));
}

async function measure(spec: TrialSpec, prepare: Prepare): Promise<TrialResult> {
  if (spec.engine === 'bare') return { initMs: 0, firstMs: 0, samplesMs: [], peakRssBytes: peakRss(), logits: [] };
  const input = trialInput(spec);
  const start = performance.now();
  const prepared = await prepare(spec, input);
  const ready = performance.now();
  await prepared.run();
  const first = performance.now();
  const logits = prepared.logits();
  const profiles: OperatorTime[][] = [];
  const [samplesMs] = await timeInTurn([() => prepared.run()], {
    warmup: spec.warmup,
    rounds: spec.runs,
    onRun: () => {
      if (spec.profile) profiles.push(prepared.profile?.() ?? []);
    },
  });
  return {
    initMs: ready - start,
    firstMs: first - ready,
    samplesMs: samplesMs!,
    peakRssBytes: peakRss(),
    logits,
    ...(profiles.length === 0 ? {} : { profile: meanOfFasterHalf(profiles) }),
  };
}

/** The same numbers for every engine: uniform in [-2, 2), as normalized pixels are, `[N, H, W, 3]`. */
export function trialInput({ batch, size: [height, width] }: Pick<TrialSpec, 'batch' | 'size'>): Float32Array {
  let state = 1;
  return Float32Array.from({ length: batch * height * width * 3 }, () => {
    // A linear congruential generator of 32 bits (Numerical Recipes) is random enough for pixels.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32) * 4 - 2;
  });
}

/** `[N, H, W, 3]` as `[N, 3, H, W]`, for engines that want planes. */
export function planes(
  pixels: Float32Array,
  { batch, size: [height, width] }: Pick<TrialSpec, 'batch' | 'size'>,
): Float32Array {
  const area = height * width;
  const result = new Float32Array(pixels.length);
  for (let image = 0; image < batch; image++) {
    for (let at = 0; at < area; at++) {
      for (let channel = 0; channel < 3; channel++) {
        result[(image * 3 + channel) * area + at] = pixels[(image * area + at) * 3 + channel]!;
      }
    }
  }
  return result;
}

/** VmHWM where there is one: maxRSS also counts what the parent had in memory when it started this process. */
function peakRss(): number {
  try {
    const kibibytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (kibibytes !== undefined) return Number(kibibytes) * 1024;
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}

/**
 * The engine counts in microseconds, so small operators need a mean, but one interruption would spoil it: it is taken
 * over the faster half of the runs.
 */
function meanOfFasterHalf(profiles: readonly (readonly OperatorTime[])[]): OperatorTime[] {
  const total = (times: readonly OperatorTime[]): number => times.reduce((sum, { ms }) => sum + ms, 0);
  const faster = [...profiles].sort((a, b) => total(a) - total(b)).slice(0, Math.ceil(profiles.length / 2));
  return faster[0]!.map((operator, at) => ({
    ...operator,
    ms: faster.reduce((sum, times) => sum + times[at]!.ms, 0) / faster.length,
  }));
}

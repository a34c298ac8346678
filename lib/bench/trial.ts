/**
 * One trial, in a process of its own so that nothing an earlier one loaded, cached or left running counts. Started by
 * runTrial.ts with a TrialSpec as its argument; nothing may be imported up here that an engine would import anyway.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { OperatorTime } from '../runtime/binding.js';
import type { TrialMessage, TrialResult, TrialSpec } from './trialSpec.js';

/** A loaded engine; `run` takes the input it was prepared with. */
interface Prepared {
  run(): Promise<unknown>;
  /** Logits of the latest run's first image. */
  logits(): readonly number[];
  profile?(): OperatorTime[];
}

/** The same numbers for every engine: uniform in [-2, 2), as normalized pixels are, `[N, H, W, 3]`. */
function randomInput({ batch, size: [height, width] }: TrialSpec): Float32Array {
  let state = 1;
  return Float32Array.from({ length: batch * height * width * 3 }, () => {
    // A linear congruential generator of 32 bits (Numerical Recipes) is random enough for pixels.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32) * 4 - 2;
  });
}

function planes(pixels: Float32Array, { batch, size: [height, width] }: TrialSpec): Float32Array {
  const area = height * width;
  const result = new Float32Array(pixels.length);
  for (let image = 0; image < batch; image += 1) {
    for (let at = 0; at < area; at += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        result[(image * 3 + channel) * area + at] = pixels[(image * area + at) * 3 + channel]!;
      }
    }
  }
  return result;
}

async function prepareOwn(spec: TrialSpec, input: Float32Array): Promise<Prepared> {
  // The whole package, as its users import it.
  const { readModel, createSession } = await import('../index.js');
  const model = await readModel(spec.file);
  const { threads, fp16, sparse, profile } = spec;
  const session = await createSession(model, { threads, fp16, sparse, profile });
  let output: Float32Array = new Float32Array();
  return {
    run: async () => {
      output = await session.run(input);
    },
    logits: () => [...output.subarray(0, model.architecture.classes)],
    profile: () => session.profile(),
  };
}

interface OnnxTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}
interface OnnxRuntime {
  readonly InferenceSession: {
    create(file: string, options: object): Promise<{
      readonly inputNames: readonly string[];
      readonly outputNames: readonly string[];
      run(feeds: Record<string, OnnxTensor>): Promise<Record<string, OnnxTensor>>;
    }>;
  };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OnnxTensor;
}

async function prepareOnnxRuntime(spec: TrialSpec, input: Float32Array): Promise<Prepared> {
  const { InferenceSession, Tensor } = createRequire(import.meta.url)(spec.module!) as OnnxRuntime;
  const session = await InferenceSession.create(spec.file, {
    intraOpNumThreads: spec.threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
  });
  const feeds = { [session.inputNames[0]!]: new Tensor('float32', input, [spec.batch, 3, ...spec.size]) };
  let output: OnnxTensor | undefined;
  return {
    run: async () => {
      output = (await session.run(feeds))[session.outputNames[0]!];
    },
    logits: () => (output === undefined ? [] : [...output.data.subarray(0, output.dims.at(-1))]),
  };
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

async function measure(spec: TrialSpec): Promise<TrialResult> {
  if (spec.engine === 'bare') return { initMs: 0, firstMs: 0, samplesMs: [], peakRssBytes: peakRss(), logits: [] };
  let input = randomInput(spec);
  if (spec.engine === 'onnxruntime-node') input = planes(input, spec);
  const start = performance.now();
  const prepared = await (spec.engine === 'neonsense' ? prepareOwn(spec, input) : prepareOnnxRuntime(spec, input));
  const ready = performance.now();
  await prepared.run();
  const first = performance.now();
  const logits = prepared.logits();
  for (let i = 0; i < spec.warmup; i += 1) await prepared.run();

  const samplesMs: number[] = [];
  const profiles: OperatorTime[][] = [];
  for (let i = 0; i < spec.runs; i += 1) {
    const before = performance.now();
    await prepared.run();
    samplesMs.push(performance.now() - before);
    if (spec.profile) profiles.push(prepared.profile!());
  }
  return {
    initMs: ready - start,
    firstMs: first - ready,
    samplesMs,
    peakRssBytes: peakRss(),
    logits,
    ...(profiles.length === 0 ? {} : { profile: meanOfFasterHalf(profiles) }),
  };
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

/** Sends the one message this process is for, and ends it: an engine's threads may still be around. */
function finish(message: TrialMessage): void {
  process.send!(message, () => process.exit('error' in message ? 1 : 0));
}

// Ctrl-C reaches the whole process group: the parent decides what to do about it. Without a parent there is no point.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(1));
measure(JSON.parse(process.argv[2]!) as TrialSpec).then(
  (result) => finish({ result }),
  (error: unknown) => finish({ error: error instanceof Error ? error.message : String(error) }),
);

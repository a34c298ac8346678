import { setTimeout as sleep } from 'node:timers/promises';
import { NeonsenseError } from '../errors.js';
import { compareLogits } from '../numbers/compareLogits.js';
import { median } from '../numbers/quantile.js';
import type { Environment } from './environment.js';
import { type Profile, profileOf } from './profile.js';
import { type RunTrial, runTrial } from './runTrial.js';
import { bootstrapRatio, type RatioInterval, summarize } from './statistics.js';
import type { Subject } from './subjects.js';
import type { TrialResult, TrialSpec } from './trialSpec.js';

export interface BenchmarkOptions {
  readonly threads: readonly number[];
  readonly batches: readonly number[];
  /** Counted runs of each combination, spread over its trials. */
  readonly runs: number;
  /** Uncounted runs at the start of each trial. */
  readonly warmup: number;
  /** Processes each combination is measured in; combinations take turns. At most `runs`. */
  readonly trials: number;
  /** Seconds of rest before each trial, for machines that get hot. */
  readonly cooldown?: number | undefined;
  /** Whether each of our own combinations is run once more with the engine's counters on. */
  readonly profile?: boolean | undefined;
  /** Stops early; what has been measured by then is given back. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
  /** How a trial is run; a fresh process unless a test says otherwise. */
  readonly runTrial?: RunTrial | undefined;
}

/** A row against the first one of the same threads and batch. */
export interface Comparison extends RatioInterval {
  readonly engine: string;
  readonly model: string;
  readonly precision: string;
}

/** A peer's logits against ours, on the same weights and input. */
export interface LogitsDifference {
  readonly maxAbs: number;
  /** Largest minus smallest of our logits. */
  readonly range: number;
  readonly sameTop1: boolean;
}

/** One combination's result. Times are milliseconds of one run, which is a whole batch. */
export interface BenchRow {
  /** `neonsense` or a peer's name. */
  readonly engine: string;
  /** The file's name, without the folder it lies in. */
  readonly model: string;
  readonly precision: string;
  readonly threads: number;
  readonly batch: number;
  /** Import, reading the file and packing: median of the trials. */
  readonly initMs: number;
  /** First inference: median of the trials. */
  readonly firstMs: number;
  readonly medianMs: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly minMs: number;
  readonly stddevMs: number;
  /** Peak resident set above that of Node with nothing loaded: median of the trials. */
  readonly rssDeltaBytes: number;
  readonly fileBytes: number;
  /** Every counted run, in the order of the trials. */
  readonly samplesMs: readonly number[];
  /** `batch / medianMs`, per second. */
  readonly imagesPerSecond: number;
  /** Processes the samples come from. */
  readonly trials: number;
  /** Absent for the row that the others are compared with. */
  readonly comparison?: Comparison;
  readonly logitsDifference?: LogitsDifference;
  readonly profile?: Profile;
  readonly environment: Environment;
}

export interface BenchmarkResult {
  readonly rows: readonly BenchRow[];
  /** What to keep in mind when reading the rows. */
  readonly warnings: readonly string[];
  /** Why combinations have no row: what their trials died of. */
  readonly failures: readonly string[];
  /** Whether every trial was run. */
  readonly complete: boolean;
}

interface Combination {
  readonly subject: Subject;
  readonly threads: number;
  readonly batch: number;
  readonly results: TrialResult[];
  profile?: Profile;
  /** Set when a trial failed: it is not tried again. */
  failure?: NeonsenseError;
}

/** Above this spread of a row's own trials, or of a ratio's interval, a machine is called noisy. */
const NOISE_LIMIT = 0.1;

/**
 * Measures every subject at every number of threads and batch size. Each trial is a fresh process; the combinations
 * take turns, in an order that is reversed every other time, so that drift of the machine hits all alike.
 * @param environment goes into every row
 * @throws {NeonsenseError} what a trial throws when every combination fails; after an abort the result holds what was finished
 */
export async function benchmark(
  subjects: readonly Subject[],
  environment: Environment,
  options: BenchmarkOptions,
): Promise<BenchmarkResult> {
  const { signal } = options;
  const run = options.runTrial ?? runTrial;
  const combinations = options.threads.flatMap((threads) =>
    options.batches.flatMap((batch) =>
      subjects.map((subject): Combination => ({ subject, threads, batch, results: [] })),
    ),
  );
  const trials = Math.min(options.trials, options.runs);
  const profiled = options.profile === true ? combinations.filter(({ subject }) => subject.macs !== undefined) : [];
  const total = trials * (combinations.length + 1) + profiled.length;
  let done = 0;
  const bareBytes: number[] = [];

  const trial = async (spec: TrialSpec, runner: RunTrial): Promise<TrialResult> => {
    if (options.cooldown !== undefined && options.cooldown > 0) {
      await sleep(1000 * options.cooldown, undefined, signal === undefined ? {} : { signal });
    }
    const result = await runner(spec, signal);
    done++;
    options.onProgress?.({ done, total });
    return result;
  };
  /** A precision that this CPU lacks, or a peer that crashes, does not take the others with it. */
  const trialOf = async (combination: Combination, spec: TrialSpec): Promise<TrialResult | undefined> => {
    if (combination.failure !== undefined) return undefined;
    try {
      return await trial(spec, combination.subject.run ?? run);
    } catch (error) {
      if (!(error instanceof NeonsenseError) || error.code === 'ERR_ABORTED') throw error;
      combination.failure = error;
      return undefined;
    }
  };

  let complete = false;
  try {
    for (let round = 0; round < trials; round++) {
      bareBytes.push((await trial(BARE, run)).peakRssBytes);
      const runs = Math.floor(options.runs / trials) + (round < options.runs % trials ? 1 : 0);
      const counts = { runs, warmup: options.warmup, profile: false };
      for (const combination of round % 2 === 0 ? combinations : [...combinations].reverse()) {
        const result = await trialOf(combination, specOf(combination, counts));
        if (result !== undefined) combination.results.push(result);
      }
    }
    const counts = { runs: Math.ceil(options.runs / trials), warmup: options.warmup, profile: true };
    for (const combination of profiled) {
      const result = await trialOf(combination, specOf(combination, counts));
      const times = result?.profile;
      if (times !== undefined) combination.profile = profileOf(times, combination.subject.macs!);
    }
    complete = true;
  } catch (error) {
    const aborted = signal?.aborted === true && error instanceof Error && error.name === 'AbortError';
    if (!aborted) throw error;
  }

  const failed = combinations.filter(({ failure }) => failure !== undefined);
  const failures = failed.map(({ subject: { engine, model, precision }, failure }) => {
    return `${engine} ${model} ${precision}: ${failure!.message}`;
  });
  if (failed.length > 0 && failed.length === combinations.length) {
    const { code } = failed[0]!.failure!;
    throw new NeonsenseError(code, failures[0]!, { cause: failed[0]!.failure });
  }
  const rows = rowsOf(combinations, median(bareBytes), environment);
  return {
    rows,
    warnings: warningsOf(combinations, rows, environment),
    failures: [...new Set(failures)],
    complete,
  };
}

const BARE: TrialSpec = {
  engine: 'bare',
  file: '',
  threads: 1,
  batch: 1,
  warmup: 0,
  runs: 0,
  fp16: false,
  sparse: false,
  profile: false,
  size: [1, 1],
};

function specOf(
  { subject, threads, batch }: Combination,
  counts: Pick<TrialSpec, 'runs' | 'warmup' | 'profile'>,
): TrialSpec {
  const { engine, file, module, fp16, sparse, size } = subject;
  return { engine, file, ...(module === undefined ? {} : { module }), threads, batch, fp16, sparse, size, ...counts };
}

function rowsOf(combinations: readonly Combination[], bareBytes: number, environment: Environment): BenchRow[] {
  const measured = combinations.filter(({ results }) => results.length > 0);
  return measured.map((combination): BenchRow => {
    const { subject, threads, batch, results, profile } = combination;
    const samplesMs = results.flatMap((result) => result.samplesMs);
    const summary = summarize(samplesMs);
    const reference = measured.find((other) => other.threads === threads && other.batch === batch)!;
    const logitsDifference = subject.engine === 'neonsense' ? undefined : differenceFromOurs(combination, measured);
    return {
      engine: subject.engine,
      model: subject.model,
      precision: subject.precision,
      threads,
      batch,
      initMs: median(results.map((result) => result.initMs)),
      firstMs: median(results.map((result) => result.firstMs)),
      medianMs: summary.median,
      p90Ms: summary.p90,
      p99Ms: summary.p99,
      minMs: summary.min,
      stddevMs: summary.stddev,
      rssDeltaBytes: Math.max(0, median(results.map((result) => result.peakRssBytes)) - bareBytes),
      fileBytes: subject.fileBytes,
      samplesMs,
      imagesPerSecond: (1000 * batch) / summary.median,
      trials: results.length,
      ...(reference === combination ? {} : { comparison: compare(combination, reference) }),
      ...(logitsDifference === undefined ? {} : { logitsDifference }),
      ...(profile === undefined ? {} : { profile }),
      environment,
    };
  });
}

function compare(combination: Combination, reference: Combination): Comparison {
  const { engine, model, precision } = reference.subject;
  const samples = ({ results }: Combination): (readonly number[])[] => results.map((result) => result.samplesMs);
  return { engine, model, precision, ...bootstrapRatio(samples(combination), samples(reference)) };
}

/** Against our row on the same weights, in float where there is one. */
function differenceFromOurs(peer: Combination, measured: readonly Combination[]): LogitsDifference | undefined {
  const own = measured.filter(
    ({ subject, batch }) =>
      subject.engine === 'neonsense' && subject.model === peer.subject.model && batch === peer.batch,
  );
  const logits = (own.find(({ subject }) => subject.precision === 'fp32') ?? own[0])?.results[0]?.logits;
  const theirs = peer.results[0]?.logits;
  if (logits === undefined || theirs === undefined || logits.length === 0 || logits.length !== theirs.length) {
    return undefined;
  }
  const { largest, range, agreement } = compareLogits(
    Float32Array.from(logits),
    Float32Array.from(theirs),
    logits.length,
  );
  return { maxAbs: largest, range, sameTop1: agreement === 1 };
}

/** Names a row in a sentence. */
export function rowName({ engine, model, precision, threads, batch }: BenchRow): string {
  return `${engine} ${model} ${precision}, ${threads} thread${threads === 1 ? '' : 's'}, batch ${batch}`;
}

function warningsOf(
  combinations: readonly Combination[],
  rows: readonly BenchRow[],
  { cores, governor }: Environment,
): string[] {
  const warnings: string[] = [];
  if (governor !== null && governor !== 'performance') {
    warnings.push(`The CPU's frequency governor is ${governor}, not performance: times may depend on what ran before`);
  }
  const most = Math.max(0, ...rows.map(({ threads }) => threads));
  if (most > cores) warnings.push(`${most} threads share ${cores} cores: such rows say little`);

  const measured = combinations.filter(({ results }) => results.length > 0);
  rows.forEach((row, index) => {
    const medians = measured[index]!.results.map((result) => median(result.samplesMs));
    const spread = (Math.max(...medians) - Math.min(...medians)) / row.medianMs;
    if (spread > NOISE_LIMIT) {
      warnings.push(
        `Noisy: the medians of the ${medians.length} trials of ${rowName(row)} differ by ` +
          `${(100 * spread).toFixed(0)} %`,
      );
    }
    const { comparison } = row;
    if (comparison === undefined || comparison.significant) return;
    if (comparison.high - comparison.low <= NOISE_LIMIT) return;
    const { engine, model, precision, ratio, low, high } = comparison;
    warnings.push(
      `Too noisy to tell ${rowName(row)} from ${engine} ${model} ${precision}: ` +
        `ratio ${ratio.toFixed(3)}, 95 % interval ${low.toFixed(3)} to ${high.toFixed(3)}. ` +
        'More --runs or a quieter machine may tell',
    );
  });
  return warnings;
}

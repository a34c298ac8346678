import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import {
  benchmark,
  describeEnvironment,
  type Environment,
  formatRows,
  NeonsenseError,
  packageRoot,
  type RunTrial,
  readModel,
  runTrial,
  type Subject,
  type TrialResult,
  type TrialSpec,
} from '../../../lib/internal.js';
import { type Accuracies, countAccuracy } from './accuracy.js';
import { type FirstUse, type PeerRow, peersMarkdown, subjectKey } from './report.js';
import { lineup } from './subjects.js';

interface Counts {
  readonly threads: readonly number[];
  readonly runs: number;
  readonly warmup: number;
  readonly trials: number;
  readonly firstUses: number;
  readonly cooldown: number;
}

/** Everything scripts/measure/peers/all.mjs does; its head says what the arguments are. Sets the exit code. */
export async function main(args: readonly string[]): Promise<void> {
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  const folder = mkdtempSync(join(tmpdir(), 'neonsense-peers-'));
  try {
    await session(args, folder, interrupt.signal);
  } catch (error) {
    process.stderr.write(`peers: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function session(args: readonly string[], folder: string, signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      threads: { type: 'string', default: '1,2' },
      runs: { type: 'string', default: '250' },
      warmup: { type: 'string', default: '20' },
      trials: { type: 'string', default: '10' },
      'first-uses': { type: 'string', default: '15' },
      cooldown: { type: 'string', default: '0' },
      models: { type: 'string', default: join(packageRoot, 'models') },
      float: { type: 'string' },
      modules: { type: 'string', default: '.' },
      python: { type: 'string', default: 'python3' },
      calibrate: { type: 'string' },
      accuracy: { type: 'string' },
      out: { type: 'string' },
    },
  });
  const counts: Counts = {
    threads: values.threads.split(',').map((text) => count('threads', text, 1)),
    runs: count('runs', values.runs, 1),
    warmup: count('warmup', values.warmup, 0),
    trials: count('trials', values.trials, 1),
    firstUses: count('first-uses', values['first-uses'], 0),
    cooldown: count('cooldown', values.cooldown, 0),
  };
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  const float = resolve(values.float ?? join(values.models, 'household-fp32.safetensors'));

  say('Preparing models...');
  const { subjects, versions, missing } = await lineup({
    models: resolve(values.models),
    float,
    modules: resolve(values.modules),
    python: values.python,
    calibrate: values.calibrate,
    folder,
  });
  for (const line of missing) say(`Left out: ${line}`);

  // Before the times, so that a peer's tools do not warm the machine up for some of them.
  let accuracies: Accuracies = new Map();
  if (values.accuracy !== undefined) {
    say(`Counting what ${subjects.length} subjects get right...`);
    accuracies = await countAccuracy(subjects, values.accuracy, await readModel(float), signal);
  }

  const environment: Environment = { ...describeEnvironment(), peers: versions };
  const { result, trialsOf } = await measure(subjects, environment, counts, signal, say);
  const rows = result.rows.map(
    (row): PeerRow => ({
      row,
      trials: trialsOf(row),
      top1: accuracies.get(subjectKey(row)),
    }),
  );
  const firstUses = signal.aborted ? [] : await measureFirstUses(subjects, counts, signal, say);

  const about = formatRows('md', { ...result, rows: [] }, environment);
  const notes = [
    `Threads ${counts.threads.join(', ')}; ${counts.runs} runs in ${counts.trials} processes each, after ` +
      `${counts.warmup} uncounted runs; all taking turns. ` +
      "Memory of a peer in Python is that of its process less bare Node's.",
    ...missing.map((line) => `Left out: ${line}.`),
    ...[...result.failures, ...result.warnings].map((line) => `${line}.`),
    ...(result.complete ? [] : ['Interrupted: not every trial was run.']),
  ];
  const text = `${about}\n${peersMarkdown(rows, firstUses)}\n${notes.map((note) => `- ${note}`).join('\n')}\n`;
  process.stdout.write(text);
  if (values.out !== undefined) {
    mkdirSync(values.out, { recursive: true });
    writeFileSync(join(values.out, 'peers.md'), text);
    // JSON leaves out a top1 that is undefined.
    const lines = rows.map(({ row, top1 }) => `${JSON.stringify({ ...row, top1 })}\n`);
    const uses = firstUses.map((use) => `${JSON.stringify({ firstUse: use, environment })}\n`);
    writeFileSync(join(values.out, 'peers.jsonl'), [...lines, ...uses].join(''));
  }
  if (!result.complete) process.exitCode = 130;
}

function count(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text.trim()) || value < least) {
    const expected = `a whole number of at least ${least}`;
    throw new NeonsenseError('ERR_INVALID_ARGUMENT', `--${name}: expected ${expected} but received "${text}"`);
  }
  return value;
}

/** The benchmark, keeping each trial by itself: two rows are compared trial by trial. */
async function measure(
  subjects: readonly Subject[],
  environment: Environment,
  { threads, runs, warmup, trials, cooldown }: Counts,
  signal: AbortSignal,
  say: (text: string) => void,
) {
  const kept = new Map<string, TrialResult[]>();
  const keyOf = (subject: Parameters<typeof subjectKey>[0] & { threads: number }): string =>
    `${subjectKey(subject)} ${subject.threads}`;
  const recording = subjects.map((subject): Subject => {
    const inner = subject.run ?? runTrial;
    const run: RunTrial = async (spec, signalOfTrial) => {
      const result = await inner(spec, signalOfTrial);
      const key = keyOf({ ...subject, threads: spec.threads });
      kept.set(key, [...(kept.get(key) ?? []), result]);
      return result;
    };
    return { ...subject, run };
  });
  let announced = 0;
  const result = await benchmark(recording, environment, {
    threads,
    batches: [1],
    runs,
    warmup,
    trials,
    cooldown,
    signal,
    onProgress: ({ done, total }) => {
      const tenth = Math.floor((10 * done) / total);
      if (tenth > announced) say(`${done} of ${total} trials done`);
      announced = tenth;
    },
  });
  return { result, trialsOf: (row: (typeof result.rows)[number]) => kept.get(keyOf(row)) ?? [] };
}

/** Ours and onnxruntime-node on the float weights: processes that stop after their first inference, taking turns. */
async function measureFirstUses(
  subjects: readonly Subject[],
  { firstUses, cooldown }: Counts,
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<FirstUse[]> {
  const peer = subjects.find(({ engine, precision }) => engine === 'onnxruntime-node' && precision === 'fp32');
  const own = subjects.find(({ engine }) => engine === 'neonsense');
  const measured = [own, peer].filter((subject): subject is Subject => subject !== undefined);
  const uses = measured.map((subject) => ({ subject, samplesMs: [] as number[], aboveBareBytes: [] as number[] }));
  if (firstUses > 0) say(`Timing ${firstUses} first uses...`);
  const specOf = ({ engine, file, module, size }: Pick<Subject, 'engine' | 'file' | 'module' | 'size'>): TrialSpec => ({
    engine,
    file,
    ...(module === undefined ? {} : { module }),
    size,
    threads: 1,
    batch: 1,
    warmup: 0,
    runs: 0,
    fp16: false,
    sparse: false,
    profile: false,
  });
  try {
    for (let round = 0; round < firstUses; round++) {
      const bare = await runTrial(specOf({ engine: 'bare', file: '', size: [1, 1] }), signal);
      for (const use of round % 2 === 0 ? uses : [...uses].reverse()) {
        if (cooldown > 0) await new Promise((done) => setTimeout(done, 1000 * cooldown));
        const { initMs, firstMs, peakRssBytes } = await runTrial(specOf(use.subject), signal);
        use.samplesMs.push(initMs + firstMs);
        use.aboveBareBytes.push(peakRssBytes - bare.peakRssBytes);
      }
    }
  } catch (error) {
    if (!(error instanceof NeonsenseError) || error.code !== 'ERR_ABORTED') throw error;
  }
  return uses
    .filter(({ samplesMs }) => samplesMs.length > 0)
    .map(({ subject, samplesMs, aboveBareBytes }) => ({ engine: subject.engine, samplesMs, aboveBareBytes }));
}

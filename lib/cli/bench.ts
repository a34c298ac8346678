import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { benchmark } from '../bench/benchmark.js';
import { describeEnvironment } from '../bench/environment.js';
import { boardName, labAddress, sendToLab, slug } from '../bench/lab.js';
import { BENCH_FORMATS, type BenchFormat, formatRows } from '../bench/output.js';
import { BENCH_PRECISIONS, type BenchPrecision, findPeer, prepareSubjects } from '../bench/subjects.js';
import { defaultModelPath } from '../classify/classifier.js';
import { MOST_THREADS } from '../runtime/threads.js';
import { wholeNumber } from './arguments.js';
import { catchInterrupt } from './interrupt.js';
import { addModelOptions, type ModelOptions, readingOf } from './modelOptions.js';
import { complain, note } from './notes.js';
import { INTERRUPTED } from './program.js';
import { progressLine } from './progress.js';
import { addFormats, type FormatOptions, formatOf } from './vocabulary.js';

interface Options extends ModelOptions, FormatOptions {
  readonly precision?: readonly BenchPrecision[] | undefined;
  readonly threads: readonly number[];
  readonly batch: readonly number[];
  readonly runs: number;
  readonly warmup: number;
  readonly trials: number;
  readonly profile?: boolean | undefined;
  readonly compare?: string | undefined;
  readonly cooldown: number;
  readonly lab?: string | undefined;
  readonly board?: string | undefined;
}

const MOST_IMAGES = 1024;

/** Adds `neonsense bench [MODEL...]`. */
export function register(program: Command): void {
  const command = program
    .command('bench')
    .description('measure time, memory and size of models, each trial in a process of its own, in turn')
    .argument(
      '[model...]',
      'model files, or models that come with neonsense by their names (default: the float one); .onnx files run on the peer',
    )
    .option(
      '--precision <list>',
      `convert each model first: ${BENCH_PRECISIONS.join(', ')}; int8 is int8-dynamic`,
      precisions,
    )
    .option('-t, --threads <list>', 'numbers of threads', counts(MOST_THREADS), [1])
    .option('--batch <list>', 'batch sizes', counts(MOST_IMAGES), [1])
    .option('--runs <n>', 'counted runs of each combination', wholeNumber, 250)
    .option('--warmup <n>', 'uncounted runs before them, in each trial', warmup, 20)
    .option('--trials <n>', 'processes each combination is spread over', wholeNumber, 5)
    .option('--profile', 'also print the time by layer and by operator')
    .addOption(new Option('--compare <peer>', 'measure a peer on the same weights').choices(['onnxruntime']))
    .option('--cooldown <seconds>', 'rest before each trial', seconds, 0)
    .option('--lab <address>', 'also send the rows to a `neonsense serve --lab`, such as http://lab:8080')
    .option('--board <name>', 'how the lab calls this board (default: what it calls itself)');
  addModelOptions(addFormats(command, BENCH_FORMATS, 'row')).action(run);
}

/** A file that is named twice, in whatever way, is measured once. */
function withoutRepeats(files: readonly string[]): string[] {
  const named = new Map<string, string>();
  for (const file of files) if (!named.has(resolve(file))) named.set(resolve(file), file);
  return [...named.values()];
}

/** A comma-separated list of whole numbers; what is named twice is measured once. */
const counts =
  (highest: number) =>
  (text: string): number[] => [
    ...new Set(
      text.split(',').map((part) => {
        const value = wholeNumber(part.trim());
        if (value > highest) throw new InvalidArgumentError(`Expected at most ${highest} but received ${value}.`);
        return value;
      }),
    ),
  ];

function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 3600)) {
    throw new InvalidArgumentError(`Expected seconds from 0 to 3600 but received "${text}".`);
  }
  return value;
}

function warmup(text: string): number {
  return text.trim() === '0' ? 0 : wholeNumber(text);
}

function precisions(text: string): BenchPrecision[] {
  return [...new Set(text.split(',').map((part) => part.trim()))].map((part) => {
    // Without calibration pictures there is one way to 8 bits.
    const name = part === 'int8' ? 'int8-dynamic' : part;
    const known = BENCH_PRECISIONS.find((precision) => precision === name);
    if (known === undefined) {
      throw new InvalidArgumentError(`Expected some of ${BENCH_PRECISIONS.join(', ')} but received "${part}".`);
    }
    return known;
  });
}

async function run(files: readonly string[], options: Options): Promise<void> {
  if (options.lab !== undefined) labAddress(options.lab);
  const format = formatOf<BenchFormat>(options, BENCH_FORMATS);
  const onnxRuntime = options.compare === undefined ? undefined : findPeer('onnxruntime-node');
  if (options.compare !== undefined && onnxRuntime === undefined) {
    note(
      'onnxruntime-node is not installed here, so it is left out: run `npm install onnxruntime-node` in this folder, ' +
        'or set NODE_PATH to the node_modules that has it',
    );
  }
  const environment = {
    ...describeEnvironment(),
    ...(onnxRuntime === undefined ? {} : { peers: { 'onnxruntime-node': onnxRuntime.version } }),
  };
  const folder = await mkdtemp(join(tmpdir(), 'neonsense-bench-'));
  using interrupt = catchInterrupt();
  const progress = progressLine('trials');
  try {
    const subjects = await prepareSubjects(files.length === 0 ? [defaultModelPath()] : withoutRepeats(files), {
      precisions: options.precision,
      reading: await readingOf(options),
      onnxRuntime,
      folder,
    });
    const result = await benchmark(subjects, environment, {
      threads: options.threads,
      batches: options.batch,
      runs: options.runs,
      warmup: options.warmup,
      trials: options.trials,
      cooldown: options.cooldown,
      profile: options.profile === true,
      signal: interrupt.signal,
      onProgress: ({ done, total }) => progress.update(done, total),
    });
    progress.clear();
    process.stdout.write(formatRows(format, result, environment));
    if (options.lab !== undefined && result.rows.length > 0) {
      const kept = await sendToLab(options.lab, slug(options.board ?? '') || boardName(environment.cpu), result.rows);
      note(`the lab keeps it as ${kept}`);
    }
    for (const message of result.warnings) note(message);
    for (const message of result.failures) complain(message);
    if (result.failures.length > 0) process.exitCode = 1;
    if (!result.complete) {
      note('interrupted: these are the trials that were finished');
      process.exitCode = INTERRUPTED;
    }
  } finally {
    progress.clear();
    await rm(folder, { recursive: true, force: true });
  }
}

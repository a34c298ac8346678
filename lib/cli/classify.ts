import { type Command, Option } from 'commander';
import { type Classification, type Classifier, PICTURES_IN_HAND } from '../classify/classifier.js';
import { inOrder } from '../classify/inOrder.js';
import { invalidArgument, NeonsenseError, throwIfAborted } from '../errors.js';
import { decodeImage } from '../image/decode.js';
import { wholeNumber } from './arguments.js';
import { expandPictures } from './expandPictures.js';
import { catchInterrupt } from './interrupt.js';
import { loadClassifier } from './loadClassifier.js';
import { addModelOptions, type ModelOptions } from './modelOptions.js';
import { noteAssumedPreprocessing } from './preprocessing.js';
import { INTERRUPTED } from './program.js';
import { progressLine } from './progress.js';
import { ResumedOutput } from './resumedOutput.js';
import { isOfShard, type Shard, shardOf } from './shard.js';
import { readStandardInput, STANDARD_INPUT } from './stdin.js';
import { alignColumns, bar, printable } from './text.js';

interface Options extends ModelOptions {
  readonly model: string;
  readonly language?: string | undefined;
  readonly measure?: boolean | undefined;
  readonly topK: number;
  readonly threads?: number | undefined;
  readonly decode: 'fast' | 'exact';
  readonly json?: boolean | undefined;
  readonly shard?: Shard | undefined;
  readonly resume?: string | undefined;
}

/** Jobs shorter than this show no progress. */
const PROGRESS_AFTER_MS = 1000;
const BAR_CELLS = 24;

/** Adds `neonsense classify IMAGE|DIR...|-`. */
export function register(program: Command): void {
  const command = program
    .command('classify')
    .description('label pictures: JPEG, PNG, WebP, GIF, AVIF, TIFF')
    .argument('<image...>', 'picture files, directories (searched recursively), or - for one picture on standard input')
    .option('-m, --model <file>', 'model file, a model that comes with neonsense by its name, or auto', 'auto')
    .option('--measure', 'with --model auto: measure which model is the fastest here, and remember it')
    .option('-k, --top-k <n>', 'predictions to print for each picture', wholeNumber, 5)
    .option('-t, --threads <n>', 'threads of the engine (default: the performance cores, at most 4)', wholeNumber)
    .addOption(
      new Option('--decode <how>', 'fast: JPEG and WebP no larger than the model can tell apart; exact: every pixel')
        .choices(['fast', 'exact'])
        .default('fast'),
    )
    .option('--language <tag>', 'name the classes in this language, where the model has them in it, for example de')
    .option('--json', 'print one JSON object a picture, a line each')
    .option(
      '--shard <k/n>',
      'only the k-th of n parts of the pictures; which part a picture is in its path says',
      shardOf,
    )
    .option('--resume <file>', 'append the JSON objects to this file, and leave out the pictures it has already');
  addModelOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  neonsense classify photo.jpg
  neonsense classify --top-k 1 --json photos/ > labels.jsonl
  neonsense classify --shard 3/8 --resume labels-3.jsonl photos/
  neonsense classify --model my-model.safetensors a.png b.webp
  curl -s https://example.org/chair.jpg | neonsense classify -

A picture that can't be read is reported on standard error, the rest go on, and the exit code is 1.`,
    )
    .action(run);
}

async function run(inputs: readonly string[], options: Options): Promise<void> {
  using interrupt = catchInterrupt();
  const report = (error: unknown): void => {
    if (!(error instanceof NeonsenseError)) throw error;
    process.exitCode = 1;
    progress.clear();
    process.stderr.write(`neonsense: ${printable(error.message)}\n`);
  };
  const progress = progressLine('pictures');
  const started = performance.now();
  const classifier = await loadClassifier(options);
  noteAssumedPreprocessing(options.model, classifier.model);
  const model = classifier.choice?.variant ?? options.model;
  try {
    await using output = options.resume === undefined ? undefined : await ResumedOutput.open(options.resume, model);
    const files = await pictures(inputs, options, output, report);
    const { signal } = interrupt;
    const outcomes = inOrder(files, PICTURES_IN_HAND, async (file) => {
      // What is not begun yet is left.
      throwIfAborted(signal);
      return file === '-'
        ? await classifyStandardInput(classifier, options.topK, signal)
        : await classifier.classify(file, { topK: options.topK, signal });
    });
    let done = 0;
    for await (const outcome of outcomes) {
      if (signal.aborted) break;
      const file = files[done++] as string;
      progress.clear();
      if ('error' in outcome) {
        report(outcome.error);
      } else if (output !== undefined) {
        await output.append(jsonLine(file, model, outcome.value));
      } else {
        await print(
          options.json === true
            ? jsonLine(file, model, outcome.value)
            : resultText(file, model, outcome.value, process.stdout.isTTY),
        );
      }
      if (performance.now() - started > PROGRESS_AFTER_MS) progress.update(done, files.length);
    }
    if (interrupt.signal.aborted) process.exitCode = INTERRUPTED;
  } finally {
    progress.clear();
    await classifier.dispose();
  }
}

/** What is to be labelled: the part asked for, without what was labelled before. */
async function pictures(
  inputs: readonly string[],
  { shard }: Options,
  output: ResumedOutput | undefined,
  report: (error: unknown) => void,
): Promise<string[]> {
  const all = await expandPictures(inputs, report);
  const own = shard === undefined ? all : all.filter((file) => isOfShard(file, shard));
  if (output === undefined) return own;
  if (own.includes('-')) {
    throw invalidArgument('--resume', 'files and folders: a picture from standard input has no name', '-');
  }
  const left = own.filter((file) => !output.isDone(file));
  if (left.length < own.length) {
    process.stderr.write(`neonsense: ${own.length - left.length} of ${own.length} pictures are done already\n`);
  }
  return left;
}

/** Decodes here, not in the classifier, so that messages say where the bytes came from. */
async function classifyStandardInput(
  classifier: Classifier,
  topK: number,
  signal: AbortSignal,
): Promise<Classification> {
  const encoded = await readStandardInput(signal);
  const started = performance.now();
  const pixels = await decodeImage(encoded, { name: STANDARD_INPUT });
  const decode = performance.now() - started;
  const { ms, ...answer } = await classifier.classify(pixels, { topK });
  return { ...answer, ms: { ...ms, decode } };
}

/** Writes to standard output and waits where its reader is slow, so that results do not pile up in memory. */
async function print(text: string): Promise<void> {
  if (!process.stdout.write(`${text}\n`)) await new Promise((resolve) => process.stdout.once('drain', resolve));
}

/**
 * One result as `--json` prints it; milliseconds are rounded to the microsecond.
 *
 * @param model The one that answered: a file as it was named, or the name of one that comes with neonsense.
 */
export function jsonLine(
  file: string,
  model: string,
  { predictions, rejected, noneProbability, ms }: Classification,
): string {
  const round = (value: number): number => Math.round(value * 1000) / 1000;
  return JSON.stringify({
    file,
    model,
    predictions,
    rejected,
    noneProbability,
    ms: { decode: round(ms.decode), preprocess: round(ms.preprocess), inference: round(ms.inference) },
  });
}

/**
 * One result for people.
 *
 * @param model as for {@link jsonLine}
 */
export function resultText(
  file: string,
  model: string,
  { predictions, rejected, noneProbability, ms }: Classification,
  bars: boolean,
): string {
  const rows = predictions.map(({ label, probability }) => [
    `  ${printable(label)}`,
    `${(100 * probability).toFixed(1)} %`,
    bars ? bar(probability, BAR_CELLS) : '',
  ]);
  const times = (['decode', 'preprocess', 'inference'] as const).map((stage) => `${stage} ${ms[stage].toFixed(1)} ms`);
  const name = file === '-' ? STANDARD_INPUT : printable(file);
  const none = noneProbability === undefined ? 'the model is too unsure' : `${(100 * noneProbability).toFixed(1)} %`;
  const heading = rejected ? `${name}: none of these, ${none}` : name;
  return [heading, ...alignColumns(rows, [1]), `  ${printable(model)}: ${times.join(', ')}`].join('\n');
}

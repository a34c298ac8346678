import { type Command, Option } from 'commander';
import { type Classification, type Classifier, PICTURES_IN_HAND } from '../classify/classifier.js';
import { inOrder } from '../classify/inOrder.js';
import { invalidArgument, NeonsenseError, throwIfAborted } from '../errors.js';
import { decodeImage } from '../image/decode.js';
import { wholeNumber } from './arguments.js';
import { CLASSIFY_FORMATS, csvHead, csvRow, jsonLine, resultLine, resultText, Tally } from './classifyOutput.js';
import { expandPictures } from './expandPictures.js';
import { catchInterrupt } from './interrupt.js';
import { loadClassifier } from './loadClassifier.js';
import { addModelOptions, type ModelOptions } from './modelOptions.js';
import { complain, note, noteWritten } from './notes.js';
import { noteAssumedPreprocessing } from './preprocessing.js';
import { INTERRUPTED } from './program.js';
import { progressLine } from './progress.js';
import { ResumedOutput } from './resumedOutput.js';
import { isOfShard, type Shard, shardOf } from './shard.js';
import { readStandardInput, STANDARD_INPUT } from './stdin.js';
import { addFormats, type FormatOptions, formatOf, limitOption, modelOption, threadsOption } from './vocabulary.js';

interface Options extends ModelOptions, FormatOptions {
  readonly model: string;
  readonly language?: string | undefined;
  readonly measure?: boolean | undefined;
  readonly topK?: number | undefined;
  readonly limit?: number | undefined;
  readonly threads?: number | undefined;
  readonly decode: 'fast' | 'exact';
  readonly shard?: Shard | undefined;
  readonly resume?: string | undefined;
}

/** Jobs shorter than this show no progress. */
const PROGRESS_AFTER_MS = 1000;

/** Adds `neonsense classify IMAGE|DIR...|-`. */
export function register(program: Command): void {
  const command = program
    .command('classify')
    .description('label pictures: JPEG, PNG, WebP, GIF, AVIF, TIFF')
    .argument('<image...>', 'picture files, directories (searched recursively), or - for one picture on standard input')
    .addOption(modelOption())
    .option('--measure', 'with --model auto: measure which model is the fastest here, and remember it')
    .option('-k, --top-k <n>', 'predictions to print for each picture (default: 5; 1 in lists and CSV)', wholeNumber)
    .addOption(limitOption('pictures at most'))
    .addOption(threadsOption())
    .addOption(
      new Option('--decode <how>', 'fast: JPEG and WebP no larger than the model can tell apart; exact: every pixel')
        .choices(['fast', 'exact'])
        .default('fast'),
    )
    .option('--language <tag>', 'name the classes in this language, where the model has them in it, for example de')
    .option(
      '--shard <k/n>',
      'only the k-th of n parts of the pictures; which part a picture is in its path says',
      shardOf,
    )
    .option('--resume <file>', 'append the JSON objects to this file, and leave out the pictures it has already');
  addModelOptions(addFormats(command, CLASSIFY_FORMATS, 'picture'))
    .addHelpText(
      'after',
      `
Examples:
  neonsense classify photo.jpg
  neonsense classify photos/
  neonsense classify --csv photos/ > labels.csv
  neonsense classify --top-k 1 --json photos/ > labels.jsonl
  neonsense classify --shard 3/8 --resume labels-3.jsonl photos/
  neonsense classify --model my-model.safetensors a.png b.webp
  curl -s https://example.org/chair.jpg | neonsense classify -

A picture that can't be read is reported on standard error, the rest go on, and the exit code is 1.`,
    )
    .action(run);
}

async function run(inputs: readonly string[], options: Options): Promise<void> {
  const format = formatOf(options, CLASSIFY_FORMATS);
  if (options.resume !== undefined && format === 'csv') {
    throw new NeonsenseError('ERR_INVALID_ARGUMENT', '--resume goes on with a file of JSON objects: leave out --csv');
  }
  using interrupt = catchInterrupt();
  let unreadable = 0;
  const report = (error: unknown): void => {
    if (!(error instanceof NeonsenseError)) throw error;
    process.exitCode = 1;
    unreadable++;
    progress.clear();
    complain(error.message);
  };
  const progress = progressLine('pictures');
  const started = performance.now();
  const classifier = await loadClassifier(options);
  noteAssumedPreprocessing(options.model, classifier.model);
  const model = classifier.choice?.variant ?? options.model;
  const tally = new Tally();
  try {
    await using output = options.resume === undefined ? undefined : await ResumedOutput.open(options.resume, model);
    const files = await pictures(inputs, options, output, report);
    const isList = files.length > 1 && output === undefined && format === 'text';
    const topK = options.topK ?? (isList || format === 'csv' ? 1 : 5);
    if (format === 'csv' && output === undefined) await print(csvHead(Math.min(topK, classifier.labels.length)));
    const show = (file: string, answer: Classification): string => {
      if (output !== undefined || format === 'json') return jsonLine(file, model, answer);
      if (format === 'csv') return csvRow(file, model, answer);
      return isList
        ? resultLine(file, classifier.labels, answer, process.stdout)
        : resultText(file, model, answer, process.stdout);
    };
    const { signal } = interrupt;
    const outcomes = inOrder(files, PICTURES_IN_HAND, async (file) => {
      // What is not begun yet is left.
      throwIfAborted(signal);
      return file === '-'
        ? await classifyStandardInput(classifier, topK, signal)
        : await classifier.classify(file, { topK, signal });
    });
    let done = 0;
    for await (const outcome of outcomes) {
      if (signal.aborted) break;
      const file = files[done++] as string;
      progress.clear();
      if ('error' in outcome) {
        report(outcome.error);
      } else {
        tally.add(outcome.value, performance.now());
        const text = show(file, outcome.value);
        await (output === undefined ? print(text) : output.append(text));
      }
      if (!process.stderr.isTTY || performance.now() - started > PROGRESS_AFTER_MS) progress.update(done, files.length);
    }
    progress.clear();
    if (isList) note(tally.text(model, unreadable).join('\n'));
    if (options.resume !== undefined) await noteWritten(options.resume, `${tally.pictures} pictures added`);
    if (interrupt.signal.aborted) process.exitCode = INTERRUPTED;
  } finally {
    progress.clear();
    await classifier.dispose();
  }
}

/** What is to be labelled: the part asked for, without what was labelled before. */
async function pictures(
  inputs: readonly string[],
  { shard, limit }: Options,
  output: ResumedOutput | undefined,
  report: (error: unknown) => void,
): Promise<string[]> {
  const all = await expandPictures(inputs, report);
  const part = shard === undefined ? all : all.filter((file) => isOfShard(file, shard));
  const own = part.slice(0, limit);
  if (output === undefined) return own;
  if (own.includes('-')) {
    throw invalidArgument('--resume', 'files and folders: a picture from standard input has no name', '-');
  }
  const left = own.filter((file) => !output.isDone(file));
  if (left.length < own.length) {
    note(`${own.length - left.length} of ${own.length} pictures are done already`);
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

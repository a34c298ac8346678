import { type Command, InvalidArgumentError } from 'commander';
import { readPictures } from '../evaluate/pictures.js';
import { compareModels, type ModelComparison } from '../measure/compress.js';
import type { Model } from '../model/model.js';
import type { LogitComparison } from '../numbers/compareLogits.js';
import { catchInterrupt } from './interrupt.js';
import { addModelOptions, type ModelOptions, openModel } from './modelOptions.js';
import { progressLine } from './progress.js';
import { coloursOf, columnsOf } from './terminal.js';
import { printable, table } from './text.js';
import { addFormats, type FormatOptions, formatOf, limitOption, threadsOption } from './vocabulary.js';

const FORMATS = ['text', 'json'] as const;

interface Options extends ModelOptions, FormatOptions {
  readonly data?: string | undefined;
  readonly labels?: string | undefined;
  readonly limit: number;
  readonly tolerance?: number | undefined;
  readonly agreement?: number | undefined;
  readonly threads: number;
}

/**
 * How far a model's logits may be apart when a picture runs alone and in a batch: nothing in the engine depends on the
 * neighbours, so anything beyond rounding is a defect.
 */
const BATCH_TOLERANCE = 1e-5;

/** Adds `neonsense compare A B`. */
export function register(program: Command): void {
  const command = program
    .command('compare')
    .description('hold two models against each other: logits, agreement, single pictures against batches')
    .argument('<model>', 'model file, or a model that comes with neonsense by its name: the reference')
    .argument('<other>', 'the model that is held against it')
    .option('--data <path>', 'pictures to compare on (see evaluate --data); default: generated patterns')
    .option('--labels <file>', 'uint8 labels of raw pixels')
    .addOption(limitOption('pictures to use at most').default(100))
    .option('--tolerance <share>', "fail beyond this largest logit difference, as a share of A's logit range", share)
    .option('--agreement <share>', 'fail below this share of pictures with the same first class', share)
    .addOption(threadsOption('threads of the engine').default(1));
  addModelOptions(addFormats(command, FORMATS)).action(run);
}

async function run(first: string, second: string, options: Options): Promise<void> {
  const [a, b] = [await openModel(first, options), await openModel(second, options)];
  using interrupt = catchInterrupt();
  const { signal } = interrupt;
  const comparison = await compareModels(a, b, {
    threads: options.threads,
    signal,
    ...(options.data === undefined ? {} : { inputs: await readInputs(a, options.data, options, signal) }),
  });
  const failures = failuresOf(comparison, options);
  if (formatOf(options, FORMATS) === 'json') {
    process.stdout.write(`${JSON.stringify({ a: first, b: second, ...comparison, failures })}\n`);
  } else {
    const text = comparisonText(comparison, columnsOf(process.stdout));
    process.stdout.write(`A: ${printable(first)}\nB: ${printable(second)}\n${text}\n`);
    const { red } = coloursOf(process.stdout);
    for (const failure of failures) process.stdout.write(`${red('FAILED')}: ${failure}\n`);
  }
  if (failures.length > 0) process.exitCode = 1;
}

async function readInputs(model: Model, path: string, options: Options, signal: AbortSignal): Promise<Float32Array[]> {
  const progress = progressLine('pictures read');
  try {
    return await readPictures(model, path, {
      labelsFile: options.labels,
      limit: options.limit,
      signal,
      onProgress: ({ done, total }) => progress.update(done, total),
    });
  } finally {
    progress.clear();
  }
}

/** What of a comparison is beyond the limits given, in words. */
export function failuresOf(
  { models, singleAgainstBatch }: ModelComparison,
  { tolerance, agreement }: { readonly tolerance?: number | undefined; readonly agreement?: number | undefined },
): string[] {
  const failures: string[] = [];
  if (tolerance !== undefined && !(models.relative <= tolerance)) {
    failures.push(`logits differ by ${models.relative.toExponential(2)} of their range, more than ${tolerance}`);
  }
  if (agreement !== undefined && models.agreement < agreement) {
    failures.push(`the same class comes first on ${models.agreement} of the pictures, less than ${agreement}`);
  }
  singleAgainstBatch.forEach(({ relative }, index) => {
    if (!(relative <= BATCH_TOLERANCE)) {
      const model = 'AB'[index];
      failures.push(`${model} gives pictures in a batch other logits than alone, by ${relative.toExponential(2)}`);
    }
  });
  return failures;
}

/** A comparison as a table for a terminal. */
export function comparisonText({ models, singleAgainstBatch }: ModelComparison, columns = Infinity): string {
  const row = (name: string, { images, largest, mean, relative, agreement }: LogitComparison): string[] => [
    name,
    `${images}`,
    largest.toExponential(2),
    mean.toExponential(2),
    relative.toExponential(2),
    `${(100 * agreement).toFixed(1)} %`,
  ];
  const rows = [
    ['compared', 'images', 'largest', 'mean', 'of the range', 'same first class'],
    row('A against B', models),
    row('A alone against batch', singleAgainstBatch[0]),
    row('B alone against batch', singleAgainstBatch[1]),
  ];
  return table(rows, [1, 2, 3, 4, 5], columns).join('\n');
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1)) {
    throw new InvalidArgumentError(`Expected a number from 0 to 1 but received "${text}".`);
  }
  return value;
}

import { type Command, InvalidArgumentError } from 'commander';
import { readPictures } from '../evaluate/pictures.js';
import { compareModels, type ModelComparison } from '../measure/compress.js';
import type { LogitComparison } from '../numbers/compareLogits.js';
import { wholeNumber } from './arguments.js';
import { catchInterrupt } from './interrupt.js';
import { addModelOptions, type ModelOptions, openModel } from './modelOptions.js';
import { alignColumns, printable } from './text.js';

interface Options extends ModelOptions {
  readonly data?: string | undefined;
  readonly labels?: string | undefined;
  readonly images: number;
  readonly tolerance?: number | undefined;
  readonly agreement?: number | undefined;
  readonly threads: number;
  readonly json?: boolean | undefined;
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
    .argument('<a>', 'model file, or a model that comes with neonsense by its name: the reference')
    .argument('<b>', 'the other one')
    .option('--data <path>', 'pictures to compare on (see evaluate --data); default: generated patterns')
    .option('--labels <file>', 'uint8 labels of raw pixels')
    .option('--images <count>', 'pictures to use at most', wholeNumber, 100)
    .option('--tolerance <share>', "fail beyond this largest logit difference, as a share of A's logit range", share)
    .option('--agreement <share>', 'fail below this share of pictures with the same first class', share)
    .option('--threads <count>', 'threads of the engine', wholeNumber, 1)
    .option('--json', 'print one JSON object');
  addModelOptions(command).action(run);
}

async function run(first: string, second: string, options: Options): Promise<void> {
  const [a, b] = [await openModel(first, options), await openModel(second, options)];
  using interrupt = catchInterrupt();
  const { signal } = interrupt;
  const comparison = await compareModels(a, b, {
    threads: options.threads,
    signal,
    ...(options.data === undefined
      ? {}
      : { inputs: await readPictures(a, options.data, { labelsFile: options.labels, limit: options.images, signal }) }),
  });
  const failures = failuresOf(comparison, options);
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ a: first, b: second, ...comparison, failures })}\n`);
  } else {
    process.stdout.write(`A: ${printable(first)}\nB: ${printable(second)}\n${comparisonText(comparison)}\n`);
    for (const failure of failures) process.stdout.write(`FAILED: ${failure}\n`);
  }
  if (failures.length > 0) process.exitCode = 1;
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
export function comparisonText({ models, singleAgainstBatch }: ModelComparison): string {
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
    row('A alone against in a batch', singleAgainstBatch[0]),
    row('B alone against in a batch', singleAgainstBatch[1]),
  ];
  return alignColumns(rows, [1, 2, 3, 4, 5]).join('\n');
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1)) {
    throw new InvalidArgumentError(`Expected a number from 0 to 1 but received "${text}".`);
  }
  return value;
}

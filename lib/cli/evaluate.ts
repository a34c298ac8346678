import { stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { invalidArgument } from '../errors.js';
import { openDataset } from '../evaluate/datasets.js';
import { evaluate } from '../evaluate/evaluate.js';
import { REPORTED_MISTAKES } from '../evaluate/mistakes.js';
import { evaluationReport } from '../evaluate/report.js';
import { type Evaluation, hasNumberedLabels } from '../evaluate/score.js';
import { fitTemperature, withTemperature } from '../evaluate/temperature.js';
import { writeFileAtomically } from '../files/writeFile.js';
import { writeModel } from '../model/files.js';
import { modelFile } from '../shipped/readModel.js';
import { wholeNumber } from './arguments.js';
import { EVALUATION_FORMATS, evaluationOutput } from './evaluateOutput.js';
import { catchInterrupt } from './interrupt.js';
import { addModelOptions, type ModelOptions, openModel } from './modelOptions.js';
import { complain, note, noteWritten } from './notes.js';
import { progressLine } from './progress.js';
import { columnsOf } from './terminal.js';
import { addFormats, type FormatOptions, formatOf, limitOption, threadsOption } from './vocabulary.js';

interface Options extends ModelOptions, FormatOptions {
  readonly data: string;
  readonly labels?: string | undefined;
  readonly limit?: number | undefined;
  readonly batch: number;
  readonly threads?: number | undefined;
  readonly report?: string | undefined;
  readonly fitTemperature?: string | undefined;
}

/** Adds `neonsense evaluate MODEL... --data PATH`. */
export function register(program: Command): void {
  const command = program
    .command('evaluate')
    .description('score models on labelled pictures: accuracy by class, confusion, calibration, agreement, throughput')
    .argument(
      '<model...>',
      'model files, or models that come with neonsense by their names; several are scored on the same decoded pictures',
    )
    .requiredOption(
      '--data <path>',
      "folder with a folder of pictures per class, CIFAR-100's binary file, or raw uint8 [N, H, W, 3] pixels",
    )
    .option('--labels <file>', 'uint8 labels of raw pixels (default: NAME_labels.bin beside NAME.bin)')
    .addOption(limitOption('pictures at most, spread evenly over the data'))
    .option('--batch <n>', 'pictures that go through the network at once', wholeNumber, 1)
    .addOption(threadsOption())
    .option('--report <file>', 'also write a self-contained HTML report')
    .option(
      '--fit-temperature <file>',
      'also write the model to this file with probabilities fitted to these pictures, which should be none it was trained on',
    );
  addModelOptions(addFormats(command, EVALUATION_FORMATS, 'model')).action(run);
}

/** The page of `--report`, with the machine and the sizes of the files. */
async function reportOf(
  files: readonly string[],
  options: Options,
  evaluations: readonly Evaluation[],
): Promise<string> {
  const { environmentFacts } = await import('./environmentFacts.js');
  const sizes = await Promise.all(files.map(async (name) => [name, (await stat(modelFile(name))).size] as const));
  return await evaluationReport(`Evaluation on ${options.data}`, evaluations, {
    environment: { pictures: options.data, ...environmentFacts() },
    bytes: Object.fromEntries(sizes),
  });
}

async function run(files: readonly string[], options: Options): Promise<void> {
  const format = formatOf(options, EVALUATION_FORMATS);
  const models = [];
  if (options.fitTemperature !== undefined && new Set(files).size > 1) {
    throw invalidArgument('--fit-temperature', 'one model beside it', files);
  }
  for (const name of [...new Set(files)]) models.push({ name, model: await openModel(name, options) });
  // A bare checkpoint's classes have no names; those of another model that has the same classes then stand for both.
  const { model } =
    models.find((candidate) => candidate.model.confidence?.rejectClass !== undefined) ??
    models.find((candidate) => !hasNumberedLabels(candidate.model.labels)) ??
    models[0]!;
  const dataset = await openDataset(options.data, {
    labels: model.labels,
    rejectClass: model.confidence?.rejectClass,
    labelsFile: options.labels,
    limit: options.limit,
  });

  using interrupt = catchInterrupt();
  const progress = progressLine('pictures');
  let evaluations: Evaluation[];
  const seen: { readonly logits: readonly number[]; readonly label: number }[] = [];
  try {
    evaluations = await evaluate(models, dataset, {
      threads: options.threads,
      batch: options.batch,
      mistakes: options.report === undefined ? undefined : REPORTED_MISTAKES,
      signal: interrupt.signal,
      onProgress: ({ done, total }) => progress.update(done, total),
      onLogits:
        options.fitTemperature === undefined ? undefined : (_, logits, label) => void seen.push({ logits, label }),
    });
  } finally {
    progress.clear();
  }

  let fitted: string | undefined;
  if (options.fitTemperature !== undefined) {
    const temperature = fitTemperature(
      seen.map(({ logits }) => logits),
      seen.map(({ label }) => label),
    );
    await writeModel(withTemperature(models[0]!.model, temperature, seen.length), options.fitTemperature);
    fitted = `fitted at temperature ${temperature.toFixed(4)}`;
  }
  if (options.report !== undefined) {
    await writeFileAtomically(options.report, await reportOf(files, options, evaluations));
  }
  process.stdout.write(`${evaluationOutput(format, evaluations, columnsOf(process.stdout))}\n`);
  if (options.fitTemperature !== undefined) await noteWritten(options.fitTemperature, fitted);
  if (options.report !== undefined) await noteWritten(options.report);
  if (dataset.leftOut > 0) note(`${dataset.leftOut} pictures of other classes were left out`);
  for (const { file, reason } of dataset.unreadable) {
    complain(`${file} was skipped: ${reason}`);
  }
  if (dataset.unreadable.length > 0) process.exitCode = 1;
}

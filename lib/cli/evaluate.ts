import type { Command } from 'commander';
import { openDataset } from '../evaluate/datasets.js';
import { evaluate } from '../evaluate/evaluate.js';
import { evaluationReport } from '../evaluate/report.js';
import { type Evaluation, hasNumberedLabels } from '../evaluate/score.js';
import { readModel } from '../model/format.js';
import { writeFileAtomically } from '../model/write-file.js';
import { wholeNumber } from './arguments.js';
import { evaluationText, jsonLine } from './evaluateOutput.js';
import { catchInterrupt } from './interrupt.js';
import { progressLine } from './progress.js';
import { printable } from './text.js';

interface Options {
  readonly data: string;
  readonly labels?: string;
  readonly limit?: number;
  readonly batch: number;
  readonly threads?: number;
  readonly json?: boolean;
  readonly report?: string;
}

/** Adds `neonsense evaluate MODEL... --data PATH`. */
export function register(program: Command): void {
  program
    .command('evaluate')
    .description('score models on labelled pictures: accuracy by class, confusion, calibration, agreement, throughput')
    .argument('<model...>', 'model files; several are scored on the same decoded pictures')
    .requiredOption(
      '--data <path>',
      "folder with a folder of pictures per class, CIFAR-100's binary file, or raw uint8 [N, H, W, 3] pixels",
    )
    .option('--labels <file>', 'uint8 labels of raw pixels (default: NAME_labels.bin beside NAME.bin)')
    .option('--limit <images>', 'use this many images at most, spread evenly over the data', wholeNumber)
    .option('--batch <images>', 'images that go through the network at once', wholeNumber, 1)
    .option('--threads <count>', 'threads of the engine', wholeNumber)
    .option('--json', 'print one JSON object a model, a line each')
    .option('--report <file>', 'also write a self-contained HTML report')
    .action(run);
}

async function run(files: readonly string[], options: Options): Promise<void> {
  const models = [];
  for (const name of [...new Set(files)]) models.push({ name, model: await readModel(name) });
  // A bare checkpoint's classes have no names; those of another model that has the same classes then stand for both.
  const { model } = models.find((candidate) => !hasNumberedLabels(candidate.model.labels)) ?? models[0]!;
  const dataset = await openDataset(options.data, {
    labels: model.labels,
    labelsFile: options.labels,
    limit: options.limit,
  });

  using interrupt = catchInterrupt();
  const progress = progressLine('images');
  let evaluations: Evaluation[];
  try {
    evaluations = await evaluate(models, dataset, {
      threads: options.threads,
      batch: options.batch,
      signal: interrupt.signal,
      onProgress: ({ done, total }) => progress.update(done, total),
    });
  } finally {
    progress.clear();
  }

  if (options.report !== undefined) {
    await writeFileAtomically(options.report, evaluationReport(`Evaluation on ${options.data}`, evaluations));
  }
  const text = options.json === true ? evaluations.map(jsonLine).join('\n') : evaluationText(evaluations);
  process.stdout.write(`${text}\n`);
  if (dataset.leftOut > 0) {
    process.stderr.write(`${dataset.leftOut} pictures of other classes were left out\n`);
  }
  for (const { file, reason } of dataset.unreadable) {
    process.stderr.write(`neonsense: ${printable(`${file} was skipped: ${reason}`)}\n`);
  }
  if (dataset.unreadable.length > 0) process.exitCode = 1;
}

import { stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { inspectModel, type ModelSummary } from '../model/inspect.js';
import type { Confidence, QuantizationScheme } from '../model/model.js';
import { modelFile } from '../shipped/readModel.js';
import { grouped, percent } from '../text/units.js';
import { addModelOptions, type ModelOptions, openModel } from './modelOptions.js';
import { preprocessingText } from './preprocessing.js';
import { alignColumns, formatBytes, printable } from './text.js';

interface Options extends ModelOptions {
  readonly json?: boolean | undefined;
}

/** Adds `neonsense inspect MODEL`. */
export function register(program: Command): void {
  const command = program
    .command('inspect')
    .description('show what a model file holds: architecture, labels, preprocessing, precision, size and every layer')
    .argument('<model>', 'model file, or a model that comes with neonsense by its name')
    .option('--json', 'print one JSON object');
  addModelOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  neonsense inspect my-model.safetensors
  neonsense inspect checkpoint.pth --json`,
    )
    .action(run);
}

async function run(file: string, { json, ...options }: Options): Promise<void> {
  const model = await openModel(file, options);
  const summary = inspectModel(model, { bytes: (await stat(modelFile(file))).size });
  process.stdout.write(`${json === true ? summaryJson(file, summary) : summaryText(file, summary)}\n`);
}

/** The summary as `--json` prints it; maps become objects. */
export function summaryJson(file: string, summary: ModelSummary): string {
  return JSON.stringify({ file, ...summary }, (_, value: unknown) =>
    value instanceof Map ? Object.fromEntries(value) : value,
  );
}

/** The summary for people. */
export function summaryText(file: string, summary: ModelSummary): string {
  const { architecture, bytes, classes, labels, layers, macs, parameters, precision, provenance, sparsity } = summary;
  const folded = summary.batchNormFolded ? 'batch norm folded' : 'batch norm not folded';
  const facts = [
    ['architecture', `${architecture.name}, ${architecture.blocks.length} blocks, ${layers.length} weighted layers`],
    ['classes', `${classes}: ${printable(labels.join(', '))}`],
    ...(summary.translations === undefined
      ? []
      : [['also in', printable(Object.keys(summary.translations).join(', '))]]),
    ['preprocessing', preprocessingText(summary.preprocessing)],
    ['precision', precision + quantizationText(summary.quantization)],
    ['probabilities', confidenceText(summary.confidence)],
    ['parameters', `${grouped(parameters)} (${folded})`],
    ...(bytes === undefined ? [] : [['file', formatBytes(bytes)]]),
    ['sparsity', `${percent(sparsity)} of the weights are zero`],
    ['MACs', `${(macs / 1e6).toFixed(1)} M for one picture`],
    ...provenance.map(({ step, details }, i) => [
      i === 0 ? 'made by' : '',
      printable(`${step} ${Object.keys(details).length === 0 ? '' : JSON.stringify(details)}`.trim()),
    ]),
  ];
  const table = [
    ['layer', 'kind', 'shape', 'weights', 'parameters', 'zeros', 'MACs'],
    ...layers.map((layer) => [
      layer.name,
      layer.kind,
      layer.shape.join(' x '),
      layer.weightType,
      grouped(layer.parameters),
      percent(layer.sparsity),
      grouped(layer.macs),
    ]),
  ];
  return [
    printable(file),
    ...alignColumns(facts, []).map((line) => `  ${line}`),
    '',
    ...alignColumns(table, [4, 5, 6]),
  ].join('\n');
}

function confidenceText(confidence: Confidence | undefined): string {
  if (confidence === undefined) return 'softmax of the logits, not fitted to data';
  const { temperature, rejectBelow, rejectClass } = confidence;
  const rejects = rejectBelow === undefined ? '' : `; below ${percent(rejectBelow)} none of the classes`;
  const learnt = rejectClass === undefined ? '' : `; ${printable(rejectClass)} means none of the others`;
  return `softmax of the logits at temperature ${temperature}${rejects}${learnt}`;
}

function quantizationText(scheme: QuantizationScheme | undefined): string {
  if (scheme === undefined) return '';
  if (scheme.mode === 'dynamic') {
    return scheme.scope === 'linear' ? ' (Linear layers)' : ' (1x1 convolutions and Linear layers)';
  }
  return ` (${scheme.activations} activations, ${scheme.values.size} calibrated values)`;
}

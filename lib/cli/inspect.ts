import { stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { inspectModel, type ModelSummary } from '../model/inspect.js';
import type { Confidence, QuantizationScheme } from '../model/model.js';
import { modelFile } from '../shipped/readModel.js';
import { grouped, percent } from '../text/units.js';
import { addModelOptions, type ModelOptions, openModel } from './modelOptions.js';
import { preprocessingText } from './preprocessing.js';
import { columnsOf } from './terminal.js';
import { facts, formatBytes, printable, table } from './text.js';
import { addFormats } from './vocabulary.js';

interface Options extends ModelOptions {
  readonly layers?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** Adds `neonsense inspect MODEL`. */
export function register(program: Command): void {
  const command = program
    .command('inspect')
    .description('show what a model file holds: architecture, labels, preprocessing, precision and size')
    .argument('<model>', 'model file, or a model that comes with neonsense by its name')
    .option('--layers', 'also show every layer');
  addModelOptions(addFormats(command, ['text', 'json']))
    .addHelpText(
      'after',
      `
Examples:
  neonsense inspect my-model.safetensors
  neonsense inspect my-model.safetensors --layers
  neonsense inspect checkpoint.pth --json`,
    )
    .action(run);
}

async function run(file: string, { json, layers, ...options }: Options): Promise<void> {
  const model = await openModel(file, options);
  const summary = inspectModel(model, { bytes: (await stat(modelFile(file))).size });
  const columns = columnsOf(process.stdout);
  const text = json === true ? [summaryJson(file, summary)] : [summaryText(file, summary, columns)];
  if (layers === true && json !== true) text.push('', layersText(summary, columns));
  process.stdout.write(`${text.join('\n')}\n`);
}

/** The summary as `--json` prints it; maps become objects. */
export function summaryJson(file: string, summary: ModelSummary): string {
  return JSON.stringify({ file, ...summary }, (_, value: unknown) =>
    value instanceof Map ? Object.fromEntries(value) : value,
  );
}

/** What a model is, for people. */
function summaryText(file: string, summary: ModelSummary, columns: number): string {
  const { architecture, bytes, classes, labels, layers, macs, parameters, precision, provenance, sparsity } = summary;
  const folded = summary.batchNormFolded ? 'batch norm folded' : 'batch norm not folded';
  const known: (readonly [string, string])[] = [
    ['architecture', `${architecture.name}, ${architecture.blocks.length} blocks, ${layers.length} weighted layers`],
    ['classes', `${classes}: ${printable(labels.join(', '))}`],
    ...(summary.translations === undefined
      ? []
      : [['also in', printable(Object.keys(summary.translations).join(', '))] as const]),
    ['preprocessing', preprocessingText(summary.preprocessing)],
    ['precision', precision + quantizationText(summary.quantization)],
    ['probabilities', confidenceText(summary.confidence)],
    ['parameters', `${grouped(parameters)} (${folded})`],
    ...(bytes === undefined ? [] : [['file', formatBytes(bytes)] as const]),
    ['sparsity', `${percent(sparsity)} of the weights are zero`],
    ['MACs', `${(macs / 1e6).toFixed(1)} M for one picture`],
    ...provenance.map(
      ({ step, details }, i) =>
        [i === 0 ? 'made by' : '', printable([step, detailsText(details)].join(' ').trim())] as const,
    ),
  ];
  return [printable(file), ...facts(known, columns)].join('\n');
}

/** What is known of a step: names with their values, which can be broken into lines between words. */
function detailsText(details: Readonly<Record<string, unknown>>): string {
  const text = (value: unknown): string => {
    if (Array.isArray(value)) return value.map(text).join(' ');
    return typeof value === 'string' ? value : JSON.stringify(value);
  };
  return Object.entries(details)
    .map(([name, value]) => `${name}: ${text(value)}`)
    .join(', ');
}

/** A line for each layer. */
function layersText({ layers }: ModelSummary, columns: number): string {
  const rows = [
    ['layer', 'kind', 'shape', 'weights', 'params', 'zeros', 'M MACs'],
    ...layers.map((layer) => [
      layer.name,
      layer.kind.replace(/^depthwise-.*/, 'depthwise'),
      layer.shape.join('x'),
      layer.weightType,
      grouped(layer.parameters),
      percent(layer.sparsity),
      (layer.macs / 1e6).toFixed(2),
    ]),
  ];
  return table(rows, [4, 5, 6], columns).join('\n');
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

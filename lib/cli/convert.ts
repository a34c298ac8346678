import { extname } from 'node:path';
import type { Command } from 'commander';
import { invalidArgument, shortened } from '../errors.js';
import { writeModel } from '../model/files.js';
import { addModelOptions, type ModelOptions, openModel } from './modelOptions.js';
import { preprocessingText } from './preprocessing.js';
import { alignColumns, formatBytes, printable } from './text.js';

interface Options extends ModelOptions {
  readonly output: string;
}

/** Adds `neonsense convert IN -o OUT`. */
export function register(program: Command): void {
  const command = program
    .command('convert')
    .description('make one .safetensors file of a network, with class names and preprocessing in it')
    .argument('<model>', 'checkpoint or model file: .pth, .pt, .ckpt, .safetensors, .npz')
    .requiredOption('-o, --output <file>', 'where the model goes, a .safetensors file');
  addModelOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  neonsense convert checkpoint.pth -o mine.safetensors --classes train/ --preprocess torchvision
  neonsense convert model.safetensors -o mine.safetensors --classes labels.txt --preprocess preprocessor_config.json
  neonsense convert last.ckpt -o mine.safetensors --key ema --classes classes.json --preprocess timm`,
    )
    .action(run);
}

async function run(source: string, { output, ...options }: Options): Promise<void> {
  if (extname(output) !== '.safetensors') throw invalidArgument('--output', 'the name of a .safetensors file', output);
  const model = await openModel(source, options);
  const { bytes } = await writeModel(model, output);
  const { architecture, labels, translations, preprocessing, precision } = model;
  const facts = [
    ['from', printable(source)],
    ['network', `${architecture.name}, ${precision}`],
    ['classes', labels.length === 0 ? 'none: it gives features' : `${labels.length}: ${named(labels)}`],
    ...(translations === undefined ? [] : [['also in', printable(Object.keys(translations).join(', '))]]),
    ['preprocessing', preprocessingText(preprocessing)],
    ['file', formatBytes(bytes)],
  ];
  process.stdout.write(`${[printable(output), ...alignColumns(facts, []).map((line) => `  ${line}`)].join('\n')}\n`);
}

const named = (labels: readonly string[]): string => printable(shortened(labels.join(', ')));

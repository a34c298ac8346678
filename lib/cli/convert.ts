import { extname } from 'node:path';
import type { Command } from 'commander';
import { invalidArgument, shortened } from '../errors.js';
import { writeModel } from '../model/files.js';
import { addModelOptions, type ModelOptions, openModel } from './modelOptions.js';
import { noteWritten } from './notes.js';
import { preprocessingText } from './preprocessing.js';
import { columnsOf } from './terminal.js';
import { facts, printable } from './text.js';
import { addFormats, outputOption } from './vocabulary.js';

interface Options extends ModelOptions {
  readonly output: string;
  readonly json?: boolean | undefined;
}

/** Adds `neonsense convert IN -o OUT`. */
export function register(program: Command): void {
  const command = program
    .command('convert')
    .description('make one .safetensors file of a network, with class names and preprocessing in it')
    .argument('<model>', 'checkpoint or model file: .pth, .pt, .ckpt, .safetensors, .npz')
    .addOption(outputOption('where the model goes, a .safetensors file'));
  addModelOptions(addFormats(command, ['text', 'json']))
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

async function run(source: string, { output, json, ...options }: Options): Promise<void> {
  if (extname(output) !== '.safetensors') throw invalidArgument('--output', 'the name of a .safetensors file', output);
  const model = await openModel(source, options);
  const { bytes } = await writeModel(model, output);
  const { architecture, labels, translations, preprocessing, precision } = model;
  const languages = Object.keys(translations ?? {});
  const text =
    json === true
      ? JSON.stringify({ source, output, bytes, architecture: architecture.name, precision, labels, preprocessing })
      : [
          printable(output),
          ...facts(
            [
              ['from', printable(source)],
              ['network', `${architecture.name}, ${precision}`],
              ['classes', labels.length === 0 ? 'none: it gives features' : `${labels.length}: ${named(labels)}`],
              ...(languages.length === 0 ? [] : [['also in', printable(languages.join(', '))] as const]),
              ['preprocessing', preprocessingText(preprocessing)],
            ],
            columnsOf(process.stdout),
          ),
        ].join('\n');
  process.stdout.write(`${text}\n`);
  await noteWritten(output);
}

const named = (labels: readonly string[]): string => printable(shortened(labels.join(', ')));

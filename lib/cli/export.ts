import { extname } from 'node:path';
import type { Command } from 'commander';
import { invalidArgument } from '../errors.js';
import { writeFileAtomically } from '../files/writeFile.js';
import { toOnnx } from '../model/export/onnx.js';
import { addModelOptions, type ModelOptions, openModel } from './modelOptions.js';
import { noteWritten } from './notes.js';
import { printable } from './text.js';
import { addFormats } from './vocabulary.js';

interface Options extends ModelOptions {
  readonly output?: string | undefined;
  readonly json?: boolean | undefined;
}

/** Adds `neonsense export MODEL FILE.onnx`. */
export function register(program: Command): void {
  const command = program
    .command('export')
    .description('write a model as an ONNX file (opset 13, float32, batch norm folded) for other runtimes')
    .argument('<model>', 'model file, or a model that comes with neonsense by its name')
    .argument('[file]', 'ONNX file to write')
    .option('-o, --output <file>', 'the same');
  addModelOptions(addFormats(command, ['text', 'json'])).action(run);
}

async function run(source: string, file: string | undefined, options: Options): Promise<void> {
  if (file !== undefined && options.output !== undefined) {
    throw invalidArgument('--output', 'the file to write named once', options.output);
  }
  const output = file ?? options.output ?? '';
  if (extname(output).toLowerCase() !== '.onnx') {
    throw invalidArgument('--output', 'a file name that ends in .onnx to export to', output);
  }
  const { json, ...reading } = options;
  const model = await openModel(source, reading);
  const bytes = toOnnx(model);
  await writeFileAtomically(output, bytes);
  const { precision } = model;
  const note = precision === 'fp32' ? '' : `: ${precision} weights are written as the float32 numbers they stand for`;
  process.stdout.write(
    json === true
      ? `${JSON.stringify({ source, output, bytes: bytes.length, precision })}\n`
      : `${printable(`${source} to ${output}`)}${note}\n`,
  );
  await noteWritten(output);
}

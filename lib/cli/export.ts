import { extname } from 'node:path';
import type { Command } from 'commander';
import { NeonsenseError } from '../errors.js';
import { writeFileAtomically } from '../files/writeFile.js';
import { toOnnx } from '../model/export/onnx.js';
import { addModelOptions, type ModelOptions, openModel } from './modelOptions.js';
import { printable } from './text.js';

/** Adds `neonsense export MODEL FILE.onnx`. */
export function register(program: Command): void {
  const command = program
    .command('export')
    .description('write a model as an ONNX file (opset 13, float32, batch norm folded) for other runtimes')
    .argument('<model>', 'model file, or a model that comes with neonsense by its name')
    .argument('<file>', 'ONNX file to write');
  addModelOptions(command).action(run);
}

async function run(source: string, target: string, options: ModelOptions): Promise<void> {
  if (extname(target).toLowerCase() !== '.onnx') {
    throw new NeonsenseError(
      'ERR_INVALID_ARGUMENT',
      `Expected a file name that ends in .onnx to export to but received ${target}`,
    );
  }
  const model = await openModel(source, options);
  const bytes = toOnnx(model);
  await writeFileAtomically(target, bytes);
  const { precision } = model;
  const note = precision === 'fp32' ? '' : `; ${precision} weights are written as the float32 numbers they stand for`;
  process.stdout.write(`${printable(`${source} to ${target}`)}: ${bytes.length} bytes${note}\n`);
}

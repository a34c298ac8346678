import { extname } from 'node:path';
import type { Command } from 'commander';
import { NeonsenseError } from '../errors.js';
import { writeFileAtomically } from '../files/writeFile.js';
import { toOnnx } from '../model/export/onnx.js';
import { readModel } from '../model/files.js';
import type { Preprocessing } from '../model/preprocessing.js';
import { KEY_OPTION } from './arguments.js';
import { noteAssumedPreprocessing, preprocessingOption } from './preprocessing.js';

/** Adds `neonsense export MODEL FILE.onnx`. */
export function register(program: Command): void {
  program
    .command('export')
    .description('write a model as an ONNX file (opset 13, float32, batch norm folded) for other runtimes')
    .argument('<model>', 'model file')
    .argument('<file>', 'ONNX file to write')
    .option(...KEY_OPTION)
    .addOption(preprocessingOption())
    .action(run);
}

interface Options {
  readonly key?: string;
  readonly preprocessing?: Preprocessing;
}

async function run(source: string, target: string, { key, preprocessing }: Options): Promise<void> {
  if (extname(target).toLowerCase() !== '.onnx') {
    throw new NeonsenseError(
      'ERR_INVALID_ARGUMENT',
      `Expected a file name that ends in .onnx to export to but received ${target}`,
    );
  }
  const model = await readModel(source, { key, preprocessing });
  noteAssumedPreprocessing(source, model);
  const bytes = toOnnx(model);
  await writeFileAtomically(target, bytes);
  const { precision } = model;
  const note = precision === 'fp32' ? '' : `; ${precision} weights are written as the float32 numbers they stand for`;
  process.stdout.write(`${target}: ${bytes.length} bytes${note}\n`);
}

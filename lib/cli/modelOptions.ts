import { type Command, InvalidArgumentError, Option } from 'commander';
import { readCheckpointOrModel } from '../model/files.js';
import type { Model } from '../model/model.js';
import type { Preprocessing } from '../model/preprocessing.js';
import { modelFile } from '../shipped/readModel.js';
import { type ClassNames, readClassNames } from './classNames.js';
import { noteAssumedPreprocessing, preprocessOption, readPreprocessing } from './preprocessing.js';

/** What every command that takes models can be told of them; checkpoints do not say it themselves. */
export interface ModelOptions {
  readonly key?: string | undefined;
  readonly classes?: string | undefined;
  readonly preprocess?: string | undefined;
  readonly padding?: 'torch' | 'same' | undefined;
  readonly batchNormEpsilon?: number | undefined;
}

/** Adds the options of {@link ModelOptions}; `classes: false` where the model's classes do not matter. */
export function addModelOptions(command: Command, { classes = true }: { readonly classes?: boolean } = {}): Command {
  command.option('--key <key>', 'which network of a checkpoint that holds several, for example ema');
  if (classes) {
    command.option(
      '--classes <file>',
      "the classes' names: a text file with one a line, JSON, or a folder of class folders",
    );
  }
  return command
    .addOption(preprocessOption())
    .addOption(
      new Option('--padding <how>', "of a checkpoint: same is TensorFlow's, as in timm's tf_ networks").choices([
        'torch',
        'same',
      ]),
    )
    .option('--batch-norm-epsilon <number>', 'of a checkpoint: what its batch norms add to the variance', positive);
}

/** The options as `readModel` takes them. */
export interface Reading extends Partial<ClassNames> {
  readonly key?: string;
  readonly preprocessing?: Preprocessing;
  readonly padding?: 'torch' | 'same';
  readonly batchNormEpsilon?: number;
}

/** What the options say, with class names read. */
export async function readingOf({
  key,
  classes,
  preprocess,
  padding,
  batchNormEpsilon,
}: ModelOptions): Promise<Reading> {
  return {
    ...(key === undefined ? {} : { key }),
    ...(classes === undefined ? {} : await readClassNames(classes)),
    ...(preprocess === undefined ? {} : { preprocessing: await readPreprocessing(preprocess) }),
    ...(padding === undefined ? {} : { padding }),
    ...(batchNormEpsilon === undefined ? {} : { batchNormEpsilon }),
  };
}

/**
 * Reads the model that `name` stands for, a path or the name of one that comes with neonsense, and says on standard error
 * where its preprocessing is a guess.
 */
export async function openModel(name: string, options: ModelOptions): Promise<Model> {
  const model = await readCheckpointOrModel(modelFile(name), await readingOf(options));
  noteAssumedPreprocessing(name, model);
  return model;
}

function positive(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value > 0 && value < Infinity)) {
    throw new InvalidArgumentError(`Expected a number above 0 but received "${text}".`);
  }
  return value;
}

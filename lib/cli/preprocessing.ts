import { Option } from 'commander';
import { fileError, NeonsenseError } from '../errors.js';
import { readRegularFile } from '../files/openFile.js';
import type { Model } from '../model/model.js';
import { isPreset, PRESETS, type Preprocessing, preprocessingFrom, presetOf } from '../model/preprocessing.js';
import { note } from './notes.js';

const NAME = '--preprocess';

/** `--preprocess PRESET|FILE|JSON`, which every command that takes a model has. */
export function preprocessOption(): Option {
  return new Option(
    `${NAME} <preset>`,
    `how pictures become the network's input: ${Object.keys(PRESETS).join(', ')}, a JSON file, or JSON`,
  );
}

/**
 * A preprocessing by a preset's name, as JSON, or from a JSON file: our fields, or what timm (`config.json`) and transformers
 * (`preprocessor_config.json`) save.
 *
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`, `ERR_NOT_FOUND`, `ERR_IO`
 */
export async function readPreprocessing(text: string): Promise<Preprocessing> {
  if (isPreset(text)) return PRESETS[text];
  if (text.trimStart().startsWith('{')) return await fromJson(text, 'it');
  // A misspelt preset is likelier than a file without an ending.
  if (!/[./\\]/.test(text)) return preprocessingFrom(text, NAME);
  const document = await readRegularFile(text).catch((cause: unknown) => {
    throw fileError(cause, `${NAME}: there is no file ${text}`, `${NAME}: ${text} can't be read`);
  });
  return await fromJson(document.toString('utf8'), text);
}

async function fromJson(text: string, name: string): Promise<Preprocessing> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new NeonsenseError('ERR_INVALID_ARGUMENT', `${NAME}: ${name} is not JSON: ${(error as Error).message}`);
  }
  const { preprocessingOf } = await import('../model/import/huggingFace.js');
  return preprocessingFrom(preprocessingOf(value) ?? value, NAME);
}

/** Says on standard error that a model's preprocessing is a guess, and what it is; nothing where it is none. */
export function noteAssumedPreprocessing(file: string, { preprocessing }: Pick<Model, 'preprocessing'>): void {
  const { assumed, ...declared } = preprocessing;
  if (assumed !== true) return;
  note(
    `${file} does not say how its training prepared pictures, so this is assumed: ` +
      `${preprocessingText(declared)}. If it is wrong, answers are too: choose with --preprocess`,
  );
}

/** A preprocessing for people, with its preset's name where it has one. */
export function preprocessingText(preprocessing: Preprocessing): string {
  const { fit = 'squash', resize, reduce, size, interpolation = 'bilinear', antialias } = preprocessing;
  const { fill, range, mean, std } = preprocessing;
  const name = presetOf(preprocessing);
  const kind = antialias === true ? `antialiased ${interpolation}` : interpolation;
  const steps = [
    ...(reduce === undefined ? [] : [`area average to ${reduce.join(' x ')}`]),
    ...(range === undefined ? [] : [`values from ${range.join(' to ')}`]),
    `mean ${mean.join(' ')}`,
    `std ${std.join(' ')}`,
    fit === 'letterbox'
      ? `${kind}, whole inside ${size.join(' x ')}`
      : fit === 'crop'
        ? `${kind}, shorter side to ${resize}`
        : `${kind} to ${resize === undefined ? size.join(' x ') : `${resize} x ${resize}`}`,
    ...(fill === undefined ? [] : [`filled with ${fill.join(' ')}`]),
    ...(resize === undefined ? [] : [`centre crop ${size.join(' x ')}`]),
  ];
  const note = name ?? (preprocessing.assumed === true ? 'assumed' : undefined);
  return `${steps.join(', ')}${note === undefined ? '' : ` (${note})`}`;
}

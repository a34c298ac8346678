import { InvalidArgumentError, Option } from 'commander';
import { NeonsenseError } from '../errors.js';
import type { Model } from '../model/model.js';
import { PRESETS, type Preprocessing, preprocessingFrom, presetOf } from '../model/preprocessing.js';
import { printable } from './text.js';

/** `--preprocessing NAME|JSON`, which every command that takes a model has. */
export function preprocessingOption(): Option {
  return new Option(
    '--preprocessing <how>',
    `how pictures become the network's input, instead of what the model says: ${Object.keys(PRESETS).join(', ')}, or JSON`,
  ).argParser(preprocessing);
}

/**
 * Reads a preset's name or the fields as JSON.
 *
 * @throws {InvalidArgumentError} which commander reports with the option's name; the exit code is then 2.
 */
export function preprocessing(text: string): Preprocessing {
  let value: unknown = text;
  if (text.trimStart().startsWith('{')) {
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw new InvalidArgumentError(`It is not JSON: ${(error as Error).message}.`);
    }
  }
  try {
    return preprocessingFrom(value, 'preprocessing');
  } catch (error) {
    if (error instanceof NeonsenseError) throw new InvalidArgumentError(`${error.message}.`);
    throw error;
  }
}

/** Says on standard error that a model's preprocessing is a guess, and what it is; nothing where it is none. */
export function noteAssumedPreprocessing(file: string, { preprocessing }: Pick<Model, 'preprocessing'>): void {
  const { assumed, ...declared } = preprocessing;
  if (assumed !== true) return;
  process.stderr.write(
    `neonsense: ${printable(file)} does not say how its training prepared pictures, so this is assumed: ` +
      `${preprocessingText(declared)}. If it is wrong, answers are too: choose with --preprocessing\n`,
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

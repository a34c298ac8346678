import { checkCount, checkOptions } from '../classify/options.js';
import { examined, invalidArgument } from '../errors.js';
import type { ServerOptions } from './options.js';

const KNOWN: readonly (keyof ServerOptions)[] = [
  ...(['models', 'reading', 'threads', 'maxInFlight', 'maxBytes', 'requestTimeoutMs'] as const),
  ...(['shadow', 'reference', 'watching', 'lab', 'log'] as const),
];

/**
 * @returns the options, each read once, and their lists copied
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`
 */
export function checkServerOptions(options: ServerOptions): ServerOptions {
  const given = checkOptions(options, KNOWN);
  for (const name of ['threads', 'maxInFlight', 'maxBytes', 'requestTimeoutMs'] as const) {
    checkCount(given[name], `options.${name}`);
  }
  for (const name of ['watching', 'lab'] as const) checkText(given[name], `options.${name}`);
  const { log, models, shadow, reference } = given;
  if (log !== undefined && typeof log !== 'boolean') throw invalidArgument('options.log', 'true or false', log);
  return {
    ...given,
    models: ifGiven(models, (list) => examined('options.models', 'a list of files', list, () => files(list))),
    shadow: ifGiven(shadow, checkShadow),
    reference: ifGiven(reference, (own) => shares(copied('options.reference', 'a share for each label', own))),
  };
}

function ifGiven<T, R>(value: T | undefined, check: (value: T) => R): R | undefined {
  return value === undefined ? undefined : check(value);
}

function copied<T extends object>(name: string, expected: string, given: T): T {
  if (typeof given !== 'object' || given === null) throw invalidArgument(name, expected, given);
  return examined(name, expected, given, () => ({ ...given }));
}

function checkShadow(given: NonNullable<ServerOptions['shadow']>): NonNullable<ServerOptions['shadow']> {
  const shadow = copied('options.shadow', 'an object with a model', given);
  checkPath(shadow.model, 'options.shadow.model');
  for (const name of ['log', 'keep'] as const) checkText(shadow[name], `options.shadow.${name}`);
  const { share } = shadow;
  if (typeof share !== 'number' || !(share > 0 && share <= 1)) {
    throw invalidArgument('options.shadow.share', 'a number above 0, at most 1', share);
  }
  return shadow;
}

function shares(reference: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  for (const share of Object.values(reference)) {
    if (!Number.isFinite(share) || share < 0) throw invalidArgument('options.reference', 'shares of at least 0', share);
  }
  return reference;
}

function files(models: readonly string[]): string[] {
  if (!Array.isArray(models) || models.length === 0) {
    throw invalidArgument('options.models', 'a list of files, at least one', models);
  }
  const copy = [...models];
  for (const file of copy) checkPath(file, 'options.models');
  return copy;
}

function checkText(text: unknown, name: string): void {
  if (text !== undefined) checkPath(text, name);
}

function checkPath(path: unknown, name: string): void {
  if (typeof path !== 'string' || path === '') throw invalidArgument(name, 'a path', path);
}

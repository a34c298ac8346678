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
    models: models && examined('options.models', 'a list of files', models, () => files(models)),
    shadow: shadow && examined('options.shadow', 'an object with a model', shadow, () => ({ ...shadow })),
    reference:
      reference && examined('options.reference', 'a share for each label', reference, () => ({ ...reference })),
  };
}

function files(models: readonly string[]): string[] {
  if (!Array.isArray(models)) throw invalidArgument('options.models', 'a list of files', models);
  const copy = [...models];
  for (const file of copy) checkText(file, 'options.models');
  return copy;
}

function checkText(text: unknown, name: string): void {
  if (text !== undefined && (typeof text !== 'string' || text === '')) throw invalidArgument(name, 'a path', text);
}

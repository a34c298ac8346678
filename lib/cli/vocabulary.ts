import { type Command, Option } from 'commander';
import { invalidArgument } from '../errors.js';
import { wholeNumber } from './arguments.js';

/** Options that mean the same in every command that has them. */

/** The model that answers, where it is not the command's subject. */
export const modelOption = (): Option =>
  new Option('-m, --model <model>', 'model file, a model that comes with neonsense by its name, or auto').default(
    'auto',
  );

/** @param threads what they do; the engine's by default */
export const threadsOption = (threads = 'threads of the engine (default: the performance cores, at most 4)'): Option =>
  new Option('-t, --threads <n>', threads).argParser(wholeNumber);

/** Where what the command makes goes. */
export const outputOption = (what: string): Option => new Option('-o, --output <file>', what).makeOptionMandatory();

/** Pictures at most. */
export const limitOption = (what: string): Option => new Option('--limit <n>', what).argParser(wholeNumber);

/** How the output may be asked for; `formatOf` says which one it is. */
export interface FormatOptions {
  readonly json?: boolean | undefined;
  readonly csv?: boolean | undefined;
  readonly format?: string | undefined;
}

/**
 * Adds `--json`, and where there is a choice of more than it and text, `--csv` and `--format`.
 *
 * @param each what one object or line of the output is, for example `picture`; for a single one nothing
 */
export function addFormats(command: Command, formats: readonly string[], each?: string): Command {
  command.option('--json', `print one JSON object${each === undefined ? '' : ` a ${each}, a line each`}`);
  if (formats.includes('csv')) command.option('--csv', `print comma-separated values, a line a ${each}`);
  if (formats.includes('csv')) {
    command.addOption(new Option('--format <format>', `of the output (default: ${formats[0]})`).choices(formats));
  }
  return command;
}

/** The one of `formats` that the options ask for, the first by default; lines of JSON where there are two kinds. */
export function formatOf<Format extends string>(options: FormatOptions, formats: readonly Format[]): Format {
  const asked = new Set([
    ...(options.json === true ? [formats.includes('jsonl' as Format) ? 'jsonl' : 'json'] : []),
    ...(options.csv === true ? ['csv'] : []),
    ...(options.format === undefined ? [] : [options.format]),
  ]);
  if (asked.size > 1) throw invalidArgument('--format', 'one format', [...asked].join(' and '));
  return ([...asked][0] as Format | undefined) ?? formats[0]!;
}

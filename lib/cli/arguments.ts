import { InvalidArgumentError } from 'commander';

/** The option of commands that read a model file; see `ReadModelOptions.key`. */
export const KEY_OPTION = ['--key <key>', 'which network of a checkpoint that holds several, for example ema'] as const;

/**
 * Reads an option's value as a whole number of at least 1.
 *
 * @throws {InvalidArgumentError} which commander reports with the option's name; the exit code is then 2.
 */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError(`Expected a whole number of at least 1 but received "${text}".`);
  }
  return value;
}

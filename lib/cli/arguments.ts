import { InvalidArgumentError } from 'commander';

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

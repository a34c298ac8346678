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

/** Reads an option's value as a TCP port; 0 asks for a free one. */
export function portNumber(text: string): number {
  const value = Number(text);
  if (!/^\d{1,5}$/.test(text) || value > 65_535) {
    throw new InvalidArgumentError(`Expected a port from 0 to 65535 but received "${text}".`);
  }
  return value;
}

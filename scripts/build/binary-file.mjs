// What the readers of ELF, Mach-O and PE share: they trust no offset in a file.

/** A binary that can't be read, or is another than was expected. */
export class BinaryError extends Error {}

/**
 * @returns {number} `at`, where `length` bytes from there on are in the file
 * @throws {BinaryError}
 */
export function inside(file, at, length) {
  if (!Number.isSafeInteger(at) || at < 0 || at + length > file.length) {
    throw new BinaryError(`offset ${at} lies outside the file of ${file.length} bytes: is it truncated?`);
  }
  return at;
}

/** Text up to a zero byte or `end`. */
export function textOf(file, from, end) {
  inside(file, from, 0);
  const zero = file.indexOf(0, from);
  return file.toString('latin1', from, zero < 0 ? end : Math.min(zero, end));
}

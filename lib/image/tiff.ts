import { NeonsenseError } from '../errors.js';

/** Tags of a TIFF picture's first directory (TIFF 6.0, section 8). */
const BITS_PER_SAMPLE = 258;
const PHOTOMETRIC = 262;
const SAMPLE_FORMAT = 339;

/** Values of PHOTOMETRIC: CIE L*a*b*, ICC L*a*b* and ITU L*a*b*. */
const LAB = [8, 9, 10];
const UNSIGNED = 1;
/** Neither said nor meant: old writers use it for unsigned numbers too. */
const UNDEFINED = 4;
const SHORT = 3;

/**
 * Refuses a TIFF picture whose numbers have no fixed white, which would decode to black or to noise: floats, signed
 * integers, more than 16 bits, and L*a*b*. What is not TIFF, or damaged, is left to the decoder.
 *
 * @throws {NeonsenseError} `ERR_IMAGE`
 */
export function checkTiff(file: Uint8Array, name: string): void {
  const refuse = (what: string): NeonsenseError =>
    new NeonsenseError(
      'ERR_IMAGE',
      `${name} is a TIFF picture of ${what}: save it with 8 or 16 bits a channel, in RGB`,
    );
  const formats = tiffValues(file, SAMPLE_FORMAT);
  if (formats.includes(3)) throw refuse('floating-point numbers');
  if (formats.some((format) => format !== UNSIGNED && format !== UNDEFINED)) throw refuse('signed or complex numbers');
  const bits = Math.max(0, ...tiffValues(file, BITS_PER_SAMPLE));
  if (bits > 16) throw refuse(`${bits} bits a channel`);
  if (tiffValues(file, PHOTOMETRIC).some((space) => LAB.includes(space))) throw refuse('L*a*b* colours');
}

/** The 16-bit values of `tag` in the first directory, at most eight of them; none where it is missing or out of place. */
export function tiffValues(file: Uint8Array, tag: number): number[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const little = file[0] === 0x49;
  if (!/^(II[*+]|MM\0[*+])/.test(String.fromCharCode(...file.subarray(0, 4)))) return [];
  const big = view.getUint16(2, little) === 43;
  /** BigTIFF's offsets and counts have 8 bytes, the others 4; beyond the file reads as its end. */
  const offsetAt = (at: number): number => {
    if (at + 8 > file.length) return file.length;
    return big ? Number(view.getBigUint64(at, little)) : view.getUint32(at, little);
  };
  const shortAt = (at: number): number => (at + 2 <= file.length ? view.getUint16(at, little) : 0);
  const directory = offsetAt(big ? 8 : 4);
  const [entryBytes, first, inline] = big ? [20, directory + 8, 8] : [12, directory + 2, 4];
  const count = big ? Math.min(offsetAt(directory), 0xffff) : shortAt(directory);
  for (
    let entry = first;
    entry < first + count * entryBytes && entry + entryBytes <= file.length;
    entry += entryBytes
  ) {
    if (shortAt(entry) !== tag || shortAt(entry + 2) !== SHORT) continue;
    const values = Math.min(8, offsetAt(entry + 4));
    const at = values * 2 <= inline ? entry + 4 + inline : offsetAt(entry + 4 + inline);
    return Array.from({ length: values }, (_, index) => shortAt(at + 2 * index));
  }
  return [];
}

import type { PictureHeader } from './decodePlan.js';
import { tiffValues } from './tiff.js';

const MARKER = 0xff;
const APP1 = 0xe1;
/** Frames that libjpeg decodes: baseline, extended and progressive, with Huffman codes; the first two of arithmetic ones. */
const FRAMES = [0xc0, 0xc1, 0xc2, 0xc9, 0xca];
const PROGRESSIVE = [0xc2, 0xca];
/** Markers before the frame that have no segment, or end the picture: nothing a camera writes. */
const UNUSUAL = [0x01, 0xd8, 0xd9, 0xda];
const EXIF = [0x45, 0x78, 0x69, 0x66, 0, 0];
const ORIENTATION = 274;

/**
 * What a JPEG's beginning says of it, without the decoder, which takes longer to start than to read this. Undefined where
 * the frame is not in it, and where anything is unusual: the decoder says then what it is.
 */
export function jpegHeader(beginning: Uint8Array): PictureHeader | undefined {
  let orientation = 1;
  for (let at = 2; at + 4 <= beginning.length; ) {
    const [mark, marker, high, low] = beginning.subarray(at, at + 4) as unknown as [number, number, number, number];
    const length = (high << 8) | low;
    const segment = beginning.subarray(at + 4, at + 2 + length);
    if (mark !== MARKER || marker < 0xc0 || UNUSUAL.includes(marker) || segment.length + 2 !== length) return undefined;
    if (marker === APP1 && EXIF.every((byte, index) => segment[index] === byte)) {
      orientation = tiffValues(segment.subarray(EXIF.length), ORIENTATION)[0] ?? 1;
    }
    if (FRAMES.includes(marker)) return headerOf(segment, orientation, PROGRESSIVE.includes(marker));
    at += 2 + length;
  }
  return undefined;
}

function headerOf(frame: Uint8Array, orientation: number, isProgressive: boolean): PictureHeader | undefined {
  const [bits, high = 0, low = 0, right = 0, left = 0, channels] = frame;
  const height = (high << 8) | low;
  const width = (right << 8) | left;
  // A height of 0 comes later in the file. Cameras write greyscale and colour; what else there is, sharp converts.
  if (bits !== 8 || height === 0 || width === 0 || (channels !== 1 && channels !== 3)) return undefined;
  if (!(orientation >= 1 && orientation <= 8)) return undefined;
  const turned = orientation > 4;
  return {
    format: 'jpeg',
    ...{ width, height, channels, depth: 'uchar', isProgressive, orientation },
    autoOrient: turned ? { width: height, height: width } : { width, height },
  };
}

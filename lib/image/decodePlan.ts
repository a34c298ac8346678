import type { Metadata } from 'sharp';

/** `[height, width]` in pixels. */
export type Sides = readonly [height: number, width: number];

/** What decoding a picture will bring, known from its header. */
export interface DecodePlan {
  /** What the decoder divides the sides by, where it can be told. */
  readonly factor?: JpegFactor;
  /** Otherwise sides after turning it upright that it has to come near to; absent where every pixel is decoded. */
  readonly shrunk?: Sides;
  /** Memory the decoder and its result take, an estimate from above. */
  readonly bytes: number;
}

/** What a plan is made of. */
export type PictureHeader = Pick<Metadata, 'format' | 'width' | 'height' | 'autoOrient'> &
  Pick<Metadata, 'channels' | 'depth' | 'isProgressive' | 'orientation'>;

/** JPEG's scaled decoding, most first. */
const JPEG_FACTORS = [8, 4, 2] as const;
export type JpegFactor = (typeof JPEG_FACTORS)[number];

/** What has to be kept of a picture of these sides. */
export type Kept = (picture: Sides) => Sides;

/**
 * Plans a picture of which no more than `atLeast` has to be kept. JPEG can be decoded at an eighth, a quarter or a half of
 * its sides and WebP at any size, which saves most of the work; every other format is decoded whole.
 *
 * @param takesFactor whether a JPEG's decoder can be told by how much it divides
 */
export function planDecode(metadata: PictureHeader, atLeast: Kept | undefined, takesFactor: boolean): DecodePlan {
  const { width, height } = metadata.autoOrient;
  const upright: Sides = [height, width];
  if (takesFactor && atLeast !== undefined && metadata.format === 'jpeg') {
    const [rows, columns] = atLeast(upright);
    const factor = JPEG_FACTORS.find((f) => Math.floor(height / f) >= rows && Math.floor(width / f) >= columns);
    const output = Math.floor(height / (factor ?? 1)) * Math.floor(width / (factor ?? 1)) * 3;
    return { ...(factor && { factor }), bytes: output + decoderBytes(metadata, output) };
  }
  const shrunk = atLeast === undefined ? undefined : shrunkSides(metadata.format, upright, atLeast(upright));
  const [outHeight, outWidth] = shrunk ?? upright;
  const output = outHeight * outWidth * 3;
  return { ...(shrunk && { shrunk }), bytes: output + decoderBytes(metadata, output) };
}

function shrunkSides(format: string, [height, width]: Sides, atLeast: Sides): Sides | undefined {
  const fits = ([rows, columns]: Sides): boolean => rows >= atLeast[0] && columns >= atLeast[1];
  if (format === 'jpeg') {
    // sharp decodes at 1/f only what it has to shrink by at least f + 1 in all, and resizes the rest of the way.
    const sides = JPEG_FACTORS.map((f): Sides => [Math.floor(height / (f + 1)), Math.floor(width / (f + 1))]);
    return sides.find(fits);
  }
  if (format === 'webp') {
    const share = Math.max(atLeast[0] / height, atLeast[1] / width);
    // By less it saves next to nothing.
    return share > 0.5 ? undefined : [Math.ceil(height * share), Math.ceil(width * share)];
  }
  return undefined;
}

/** What decoders hold besides their result, by how each works. */
function decoderBytes(metadata: PictureHeader, output: number): number {
  const { width, height, format, channels, depth, isProgressive, orientation = 1 } = metadata;
  const pixels = width * height;
  const samples = pixels * channels * (depth === 'uchar' ? 1 : depth === 'ushort' ? 2 : 4);
  // Turning takes a copy to read from.
  const turning = orientation > 2 ? output : 0;
  switch (format) {
    case 'jpeg':
      return turning + (isProgressive ? pixels * channels * 2 : 0);
    case 'png':
      return turning + (isProgressive ? samples : 0);
    case 'webp':
      return turning + (output / 3) * 4;
    case 'tiff':
      return turning + samples;
    default:
      return turning + pixels * 8;
  }
}

import type { Kept } from '../image/decodePlan.js';
import type { DecodedImage, Pixels } from '../image/pixels.js';

/**
 * The picture itself, then what a camera held a little otherwise would have seen: mirrored, and two crops of
 * {@link CROP_SHARE} of each side from opposite corners, the second mirrored.
 */
export function viewsOf(pixels: DecodedImage): Pixels[] {
  const { width, height } = pixels;
  const w = Math.max(1, Math.round(width * CROP_SHARE));
  const h = Math.max(1, Math.round(height * CROP_SHARE));
  const mirror = mirrored(pixels);
  return [
    pixels,
    mirror,
    { ...pixels, roi: { x: 0, y: 0, width: w, height: h } },
    // Of the picture the right edge.
    { ...mirror, roi: { x: 0, y: height - h, width: w, height: h } },
  ];
}

/** Views of a picture, the picture included. */
export const VIEWS = 4;

const CROP_SHARE = 0.85;

/** What has to be kept of a picture so that `kept` is kept of each of its views. */
export function keptOfViews(kept: Kept | undefined): Kept | undefined {
  if (kept === undefined) return undefined;
  return ([height, width]) => {
    const [rows, columns] = kept([Math.max(1, height * CROP_SHARE), Math.max(1, width * CROP_SHARE)]);
    return [rows / CROP_SHARE, columns / CROP_SHARE];
  };
}

function mirrored({ data, width, height }: DecodedImage): DecodedImage {
  const copy = new Uint8Array(data.length);
  for (let end = width * 3; end <= data.length; end += width * 3) {
    for (let from = end - width * 3, to = end - 3; to >= end - width * 3; from += 3, to -= 3) {
      copy[to] = data[from]!;
      copy[to + 1] = data[from + 1]!;
      copy[to + 2] = data[from + 2]!;
    }
  }
  return { data: copy, width, height, channels: 3 };
}

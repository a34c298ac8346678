import type { Pixels } from '../image/pixels.js';

/**
 * The picture itself, then what a camera held a little otherwise would have seen: mirrored, and two crops of
 * {@link CROP_SHARE} of each side from opposite corners, the second mirrored.
 */
export function viewsOf(pixels: Pixels): Pixels[] {
  const { width, height } = pixels;
  const w = Math.max(1, Math.round(width * CROP_SHARE));
  const h = Math.max(1, Math.round(height * CROP_SHARE));
  return [
    pixels,
    mirrored(pixels),
    cropped(pixels, 0, 0, w, h),
    mirrored(cropped(pixels, width - w, height - h, w, h)),
  ];
}

/** Views of a picture, the picture included. */
export const VIEWS = 4;

const CROP_SHARE = 0.85;

function cropped({ data, width, channels }: Pixels, x: number, y: number, w: number, h: number): Pixels {
  const copy = new Uint8Array(w * h * channels);
  for (let row = 0; row < h; row++) {
    const from = ((y + row) * width + x) * channels;
    copy.set(data.subarray(from, from + w * channels), row * w * channels);
  }
  return { data: copy, width: w, height: h, channels };
}

function mirrored({ data, width, height, channels }: Pixels): Pixels {
  const copy = new Uint8Array(width * height * channels);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const from = (row * width + column) * channels;
      const to = (row * width + (width - 1 - column)) * channels;
      for (let channel = 0; channel < channels; channel++) copy[to + channel] = data[from + channel]!;
    }
  }
  return { data: copy, width, height, channels };
}

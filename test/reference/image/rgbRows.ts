import type { Pixels } from '../../../lib/image/pixels.js';

/**
 * Returns a function that gives row `y` as `width * 3` RGB bytes. Rows that already are RGB are views of the picture;
 * others are converted into one scratch row, so a returned row is valid until the next call.
 */
export function rgbRows(pixels: Pixels): (y: number) => Uint8Array | Uint8ClampedArray {
  const { data, width, channels } = pixels;
  const stride = width * channels;
  const [first, last] = pixels.order === 'bgr' ? [2, 0] : [0, 2];
  if (channels === 3 && first === 0) return (y) => data.subarray(y * stride, (y + 1) * stride);
  const row = new Uint8Array(width * 3);
  if (channels === 1) {
    return (y) => {
      let from = y * stride;
      for (let to = 0; to < row.length; to += 3) {
        const grey = data[from++] as number;
        row[to] = grey;
        row[to + 1] = grey;
        row[to + 2] = grey;
      }
      return row;
    };
  }
  if (channels === 3) {
    return (y) => {
      const start = y * stride;
      for (let i = 0; i < row.length; i += 3) {
        row[i] = data[start + i + 2] as number;
        row[i + 1] = data[start + i + 1] as number;
        row[i + 2] = data[start + i] as number;
      }
      return row;
    };
  }
  return (y) => {
    let from = y * stride;
    for (let to = 0; to < row.length; to += 3, from += 4) {
      const alpha = data[from + 3] as number;
      if (alpha === 255) {
        row[to] = data[from + first] as number;
        row[to + 1] = data[from + 1] as number;
        row[to + 2] = data[from + last] as number;
        continue;
      }
      const white = 255 * (255 - alpha);
      row[to] = byteOf((data[from + first] as number) * alpha + white);
      row[to + 1] = byteOf((data[from + 1] as number) * alpha + white);
      row[to + 2] = byteOf((data[from + last] as number) * alpha + white);
    }
    return row;
  };
}

/** `product / 255` rounded to nearest, for `product` in 0..65025 (the usual division-free form). */
function byteOf(product: number): number {
  const half = product + 128;
  return (half + (half >> 8)) >> 8;
}

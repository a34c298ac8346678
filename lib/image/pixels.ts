import { invalidArgument } from '../errors.js';

/**
 * Raw 8-bit pixels, row by row, channels interleaved: `[height, width, channels]`. One channel is grey, three are
 * colour, four are colour and (not premultiplied) alpha, which is laid over white. Canvas and camera buffers fit as
 * they are.
 */
export interface Pixels {
  /** `height * width * channels` bytes, which must not change until the call they are given to ends. */
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
  /** Order of the colour channels; OpenCV and many cameras give `bgr`. Default `rgb`. */
  readonly order?: 'rgb' | 'bgr';
}

/** An sRGB picture, `[height, width, 3]`. */
export interface DecodedImage extends Pixels {
  readonly data: Uint8Array;
  readonly channels: 3;
}

const KNOWN_KEYS = new Set(['data', 'width', 'height', 'channels', 'order']);

/**
 * Checks that `value` is {@link Pixels} whose data has exactly the length its shape says.
 *
 * @param name How messages call it.
 * @throws NeonsenseError `ERR_INVALID_ARGUMENT`
 */
export function checkPixels(value: unknown, name: string): Pixels {
  if (typeof value !== 'object' || value === null) throw invalidArgument(name, 'raw pixels', value);
  const { data, width, height, channels, order } = value as Record<string, unknown>;
  for (const key of Object.keys(value)) {
    if (!KNOWN_KEYS.has(key)) {
      throw invalidArgument(name, `only data, width, height, channels and order (not "${key}")`, value);
    }
  }
  if (!(data instanceof Uint8Array) && !(data instanceof Uint8ClampedArray)) {
    throw invalidArgument(`${name}.data`, 'a Uint8Array or Uint8ClampedArray of pixels', data);
  }
  for (const [side, length] of [
    ['width', width],
    ['height', height],
  ] as const) {
    if (!Number.isSafeInteger(length) || (length as number) < 1) {
      throw invalidArgument(`${name}.${side}`, 'a whole number of pixels, at least 1', length);
    }
  }
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    throw invalidArgument(`${name}.channels`, '1 (grey), 3 (colour) or 4 (colour and alpha)', channels);
  }
  if (order !== undefined && order !== 'rgb' && order !== 'bgr') {
    throw invalidArgument(`${name}.order`, "'rgb' or 'bgr'", order);
  }
  const expected = (width as number) * (height as number) * channels;
  if (data.length !== expected) {
    const shape = `${String(height)} x ${String(width)} x ${channels}`;
    throw invalidArgument(`${name}.data`, `height x width x channels = ${shape} = ${expected} bytes`, data);
  }
  return value as Pixels;
}

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

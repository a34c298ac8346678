import { describe, examined, invalidArgument } from '../errors.js';

/**
 * Raw 8-bit pixels, row by row, channels interleaved: `[height, width, channels]`. One channel is grey, three are
 * colour, four are colour and (not premultiplied) alpha, which is laid over white. Canvas and camera buffers fit as
 * they are; {@link Frame} says more.
 */
export interface Pixels {
  /** `height * width * channels` bytes, which must not change until the call they are given to ends. */
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
  /** Order of the colour channels; OpenCV and many cameras give `bgr`. Default `rgb`. */
  readonly order?: 'rgb' | 'bgr';
  /** The part to look at. Default: all of it. */
  readonly roi?: Region;
  /** See {@link Frame.transfer}. */
  readonly transfer?: boolean;
}

/** An sRGB picture, `[height, width, 3]`. */
export interface DecodedImage extends Pixels {
  readonly data: Uint8Array;
  readonly channels: 3;
}

/** A rectangle in whole pixels from the top left corner. */
export interface Region {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** How pixels lie in memory, by ffmpeg's names. */
export type PixelFormat = 'rgb24' | 'bgr24' | 'rgba' | 'bgra' | 'gray' | 'yuv420p' | 'nv12' | 'yuyv422' | 'rgb565le';

/** Raw pixels as cameras and decoders give them. */
export interface Frame {
  /** All planes; must not change until the call it is given to ends. */
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
  readonly format: PixelFormat;
  /**
   * Bytes from one row to the next, of each plane, or of the first: nv12's second has the same, yuv420p's others half of
   * it. Default: rows without gaps.
   */
  readonly stride?: number | readonly number[];
  /** Byte at which each plane begins. Default: one after the other. */
  readonly offsets?: readonly number[];
  /** How luma and chroma stand for colours. Default `bt601`. */
  readonly matrix?: 'bt601' | 'bt709';
  /** Whether luma is 16..235 and chroma 16..240, ffmpeg's `tv`, or both are 0..255, its `pc`. Default `limited`. */
  readonly range?: 'limited' | 'full';
  /** The part to look at. Default: all of it. */
  readonly roi?: Region;
  /**
   * Hands the memory over instead of having it copied: `data` and all else in its ArrayBuffer is gone afterwards, as with
   * `postMessage`'s transfer list. Memory that can't be handed over (Node's pool of small Buffers, shared memory) is
   * copied. Default false.
   */
  readonly transfer?: boolean;
}

/** Raw pixels in either form. */
export type RawPixels = Pixels | Frame;

/** Where the pixels of a picture lie, complete and checked. */
export interface PixelView {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly layout: PixelLayout;
  readonly transfer: boolean;
}

/** All but the bytes of a {@link PixelView}. */
export interface PixelLayout {
  readonly format: PixelFormat;
  readonly width: number;
  readonly height: number;
  /** One entry a plane. */
  readonly strides: readonly number[];
  readonly offsets: readonly number[];
  readonly matrix: 'bt601' | 'bt709';
  readonly range: 'limited' | 'full';
  readonly roi: Region;
}

interface Plane {
  readonly rowBytes: number;
  readonly rows: number;
  /** Its stride where only the first plane's is given: the same, or half of it. */
  readonly halved?: boolean;
}

const half = (length: number): number => Math.ceil(length / 2);

/** Formats of one plane with a byte for each channel, and what {@link Pixels} calls them. */
export const INTERLEAVED = {
  rgb24: { channels: 3, order: 'rgb' },
  bgr24: { channels: 3, order: 'bgr' },
  rgba: { channels: 4, order: 'rgb' },
  bgra: { channels: 4, order: 'bgr' },
  gray: { channels: 1, order: 'rgb' },
} as const;

const interleaved =
  ({ channels }: { readonly channels: number }) =>
  (width: number, height: number): readonly Plane[] => [{ rowBytes: width * channels, rows: height }];

/** What each format's planes need, for a width and a height. */
const PLANES: Readonly<Record<PixelFormat, (width: number, height: number) => readonly Plane[]>> = {
  rgb24: interleaved(INTERLEAVED.rgb24),
  bgr24: interleaved(INTERLEAVED.bgr24),
  rgba: interleaved(INTERLEAVED.rgba),
  bgra: interleaved(INTERLEAVED.bgra),
  gray: interleaved(INTERLEAVED.gray),
  yuv420p: (width, height) => [
    { rowBytes: width, rows: height },
    { rowBytes: half(width), rows: half(height), halved: true },
    { rowBytes: half(width), rows: half(height), halved: true },
  ],
  nv12: (width, height) => [
    { rowBytes: width, rows: height },
    { rowBytes: half(width) * 2, rows: half(height) },
  ],
  yuyv422: (width, height) => [{ rowBytes: half(width) * 4, rows: height }],
  rgb565le: (width, height) => [{ rowBytes: width * 2, rows: height }],
};

/** The formats raw pixels may have. */
export const PIXEL_FORMATS = Object.keys(PLANES) as readonly PixelFormat[];

/** Longest side; longer ones are refused before anything is computed with them. */
const MOST_PIXELS = 2 ** 22;
const MOST_BYTES = 2 ** 31 - 1;

const PIXELS_KEYS = ['data', 'width', 'height', 'channels', 'order', 'roi', 'transfer'] as const;
const FRAME_KEYS = [
  ...(['data', 'width', 'height', 'format', 'stride', 'offsets'] as const),
  ...(['matrix', 'range', 'roi', 'transfer'] as const),
];

/**
 * Checks that `value` is {@link Pixels} or a {@link Frame} whose data holds all rows, and fills in what it leaves out.
 *
 * @param name How messages call it.
 * @throws {NeonsenseError} `ERR_INVALID_ARGUMENT`
 */
export function viewOf(value: unknown, name: string): PixelView {
  return examined(name, 'raw pixels', value, () => checkedView(value, name));
}

function checkedView(value: unknown, name: string): PixelView {
  if (typeof value !== 'object' || value === null) throw invalidArgument(name, 'raw pixels', value);
  const fields = value as Readonly<Record<string, unknown>>;
  checkKeys(fields, name);
  const { data, transfer = false } = fields;
  if (!(data instanceof Uint8Array) && !(data instanceof Uint8ClampedArray)) {
    throw invalidArgument(`${name}.data`, 'a Uint8Array or Uint8ClampedArray of pixels', data);
  }
  if (typeof transfer !== 'boolean') throw invalidArgument(`${name}.transfer`, 'true or false', transfer);
  const layout = layoutOf(fields, name);
  const bytes = checkLength(fields, layout, data, name);
  return { data: bytes === data.length ? data : data.subarray(0, bytes), layout, transfer };
}

/** A {@link Frame} but for its bytes: what all frames of a stream have in common. */
export type FrameShape = Omit<Frame, 'data' | 'transfer'>;

/**
 * Bytes of a frame when its planes follow each other in whole strides, as cameras and ffmpeg give them.
 *
 * @param name How messages call the frame.
 * @throws NeonsenseError `ERR_INVALID_ARGUMENT`
 */
export function frameBytes(frame: FrameShape, name: string): number {
  const { format, width, height, strides, offsets } = layoutOf({ ...frame }, name);
  const planes = PLANES[format](width, height);
  const bytes = Math.max(...planes.map(({ rows }, plane) => offsets[plane]! + strides[plane]! * rows));
  if (bytes <= MOST_BYTES) return bytes;
  throw invalidArgument(name, `frames of at most ${MOST_BYTES} bytes`, `${bytes} bytes`);
}

function layoutOf(fields: Readonly<Record<string, unknown>>, name: string): PixelLayout {
  for (const side of ['width', 'height'] as const) {
    if (!isCount(fields[side], 1, MOST_PIXELS)) {
      const most = Number.isSafeInteger(fields[side]) && (fields[side] as number) > 1 ? `, at most ${MOST_PIXELS}` : '';
      throw invalidArgument(`${name}.${side}`, `a whole number of pixels, at least 1${most}`, fields[side]);
    }
  }
  const width = fields['width'] as number;
  const height = fields['height'] as number;
  const format = 'format' in fields ? formatOf(fields, name) : formatOfChannels(fields, name);
  return {
    format,
    width,
    height,
    ...planesOf(fields, format, name),
    matrix: oneOf(fields, 'matrix', ['bt601', 'bt709'] as const, name),
    range: oneOf(fields, 'range', ['limited', 'full'] as const, name),
    roi: regionOf(fields['roi'], width, height, name),
  };
}

/**
 * `value`, if it is raw pixels.
 *
 * @throws {NeonsenseError} as {@link viewOf}
 */
export function checkPixels(value: unknown, name: string): RawPixels {
  viewOf(value, name);
  return value as RawPixels;
}

function checkKeys(fields: Readonly<Record<string, unknown>>, name: string): void {
  const known: readonly string[] = 'format' in fields ? FRAME_KEYS : PIXELS_KEYS;
  for (const key of Object.keys(fields)) {
    if (known.includes(key)) continue;
    const list = `${known.slice(0, -1).join(', ')} and ${known.at(-1)}`;
    throw invalidArgument(name, `only ${list} (not ${JSON.stringify(key.slice(0, 40))})`, fields);
  }
}

function formatOf({ format }: Readonly<Record<string, unknown>>, name: string): PixelFormat {
  if (PIXEL_FORMATS.includes(format as PixelFormat)) return format as PixelFormat;
  throw invalidArgument(`${name}.format`, `one of ${PIXEL_FORMATS.join(', ')}`, format);
}

function formatOfChannels({ channels, order }: Readonly<Record<string, unknown>>, name: string): PixelFormat {
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    throw invalidArgument(`${name}.channels`, '1 (grey), 3 (colour) or 4 (colour and alpha)', channels);
  }
  if (order !== undefined && order !== 'rgb' && order !== 'bgr') {
    throw invalidArgument(`${name}.order`, "'rgb' or 'bgr'", order);
  }
  if (channels === 1) return 'gray';
  const formats = Object.keys(INTERLEAVED) as (keyof typeof INTERLEAVED)[];
  return formats.find((format) => {
    const each = INTERLEAVED[format];
    return each.channels === channels && each.order === (order ?? 'rgb');
  })!;
}

function oneOf<T extends string>(
  fields: Readonly<Record<string, unknown>>,
  key: string,
  known: readonly [T, T],
  name: string,
): T {
  const value = fields[key] ?? known[0];
  if (known.includes(value as T)) return value as T;
  throw invalidArgument(`${name}.${key}`, `'${known[0]}' or '${known[1]}'`, value);
}

function regionOf(roi: unknown, width: number, height: number, name: string): Region {
  if (roi === undefined) return { x: 0, y: 0, width, height };
  const region = (typeof roi === 'object' && roi !== null ? roi : {}) as Partial<Region>;
  const fits = (from: unknown, length: unknown, most: number): boolean =>
    isCount(from, 0, most) && isCount(length, 1, most) && (from as number) + (length as number) <= most;
  if (fits(region.x, region.width, width) && fits(region.y, region.height, height)) {
    return { x: region.x!, y: region.y!, width: region.width!, height: region.height! };
  }
  const given =
    typeof roi === 'object' && roi !== null ? [region.x, region.y, region.width, region.height].map(describe) : roi;
  throw invalidArgument(
    `${name}.roi`,
    `{ x, y, width, height } in whole pixels inside ${width} x ${height}`,
    Array.isArray(given) ? given.join(', ') : given,
  );
}

/** Strides and offsets of each plane. */
function planesOf(
  fields: Readonly<Record<string, unknown>>,
  format: PixelFormat,
  name: string,
): Pick<PixelLayout, 'strides' | 'offsets'> {
  const planes = PLANES[format](fields['width'] as number, fields['height'] as number);
  const strides = stridesOf(fields['stride'], planes, `${name}.stride`);
  const { offsets } = fields;
  if (offsets !== undefined) {
    const good = Array.isArray(offsets) && offsets.length === planes.length;
    if (!good || !offsets.every((offset) => isCount(offset, 0, MOST_BYTES))) {
      throw invalidArgument(`${name}.offsets`, `an array of bytes, one for each plane (${planes.length})`, offsets);
    }
    return { strides, offsets: offsets as number[] };
  }
  let end = 0;
  const following = planes.map(({ rows }, plane) => {
    const begin = end;
    end += strides[plane]! * rows;
    return begin;
  });
  return { strides, offsets: following };
}

function stridesOf(stride: unknown, planes: readonly Plane[], name: string): readonly number[] {
  if (stride === undefined) return planes.map(({ rowBytes }) => rowBytes);
  const strides =
    typeof stride === 'number' ? planes.map(({ halved }) => (halved === true ? half(stride) : stride)) : stride;
  const good = Array.isArray(strides) && strides.length === planes.length;
  if (!good || !strides.every((bytes, plane) => isCount(bytes, planes[plane]!.rowBytes, MOST_BYTES))) {
    const least = planes.map(({ rowBytes }) => rowBytes).join(', ');
    throw invalidArgument(name, `bytes from one row of a plane to the next, at least ${least}`, stride);
  }
  return strides as number[];
}

/** As many bytes as the rows take. */
function checkLength(
  fields: Readonly<Record<string, unknown>>,
  { format, width, height, strides, offsets }: PixelLayout,
  data: Uint8Array | Uint8ClampedArray,
  name: string,
): number {
  if (!('format' in fields)) {
    const { channels } = fields;
    const expected = width * height * (channels as number);
    if (data.length === expected) return expected;
    const shape = `${height} x ${width} x ${channels as number}`;
    throw invalidArgument(`${name}.data`, `height x width x channels = ${shape} = ${expected} bytes`, data);
  }
  const ends = PLANES[format](width, height).map(
    ({ rowBytes, rows }, plane) => offsets[plane]! + strides[plane]! * (rows - 1) + rowBytes,
  );
  const needed = Math.max(...ends);
  if (data.length < needed || needed > MOST_BYTES) {
    throw invalidArgument(`${name}.data`, `at least ${needed} bytes for ${width} x ${height} ${format}`, data);
  }
  return needed;
}

function isCount(value: unknown, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}

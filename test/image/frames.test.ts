// Frames as cameras give them: what they are checked for, and that each format shows what rgb24 shows.
import { describe, expect, it } from 'vitest';
import { type Frame, PIXEL_FORMATS, type RawPixels, viewOf } from '../../lib/image/pixels.js';
import type { Preprocessing } from '../../lib/model/preprocessing.js';
import { preprocess } from '../../lib/runtime/preprocess.js';
import { randomBytes } from './pictures.js';

const area: Preprocessing = { interpolation: 'area', size: [4, 6], mean: [0, 0, 0], std: [1, 1, 1] };
const bilinear: Preprocessing = { size: [4, 6], mean: [0, 0, 0], std: [1, 1, 1] };

/** A frame of one colour, given as the bytes of two pixels beside each other in each plane. */
function plain(format: Frame['format'], planes: readonly (readonly number[])[]): Frame {
  const [width, height] = [16, 12];
  const { strides } = viewOf({ data: new Uint8Array(width * height * 4), width, height, format }, 'frame').layout;
  const bytes = planes.flatMap((pattern, plane) => {
    const rows = format === 'yuv420p' || format === 'nv12' ? (plane === 0 ? height : height / 2) : height;
    return Array.from({ length: strides[plane]! * rows }, (_, i) => pattern[i % pattern.length]!);
  });
  return { data: Uint8Array.from(bytes), width, height, format };
}

/** The colour all of a network's input has, in steps of 255. */
function colourOf(frame: RawPixels, how: Preprocessing): number[] {
  const values = preprocess(frame, how);
  values.forEach((value, i) => expect(value).toBeCloseTo(values[i % 3]!, 5));
  return Array.from(values.subarray(0, 3), (value) => value * 255);
}

describe('a format', () => {
  // By the matrices of ITU-R BT.601 and BT.709, worked out by hand.
  it.each([
    ['rgb24', {}, [[200, 100, 50]], [200, 100, 50]],
    ['bgr24', {}, [[50, 100, 200]], [200, 100, 50]],
    ['rgba', {}, [[200, 100, 50, 255]], [200, 100, 50]],
    ['bgra', {}, [[50, 100, 200, 255]], [200, 100, 50]],
    ['gray', {}, [[77]], [77, 77, 77]],
    ['rgb565le', {}, [[0xe0, 0xff]], [255, 255, 0]],
    ['yuv420p', {}, [[126], [128], [128]], [128.08, 128.08, 128.08]],
    ['nv12', {}, [[126], [128, 128]], [128.08, 128.08, 128.08]],
    ['yuyv422', {}, [[126, 128, 126, 128]], [128.08, 128.08, 128.08]],
    ['nv12', { range: 'full' }, [[128], [100, 150]], [158.84, 121.93, 78.38]],
    ['nv12', { matrix: 'bt709' }, [[128], [100, 150]], [169.85, 124.66, 71.26]],
    ['yuv420p', { range: 'full' }, [[128], [100], [150]], [158.84, 121.93, 78.38]],
    ['yuyv422', { range: 'full' }, [[128, 100, 128, 150]], [158.84, 121.93, 78.38]],
  ] as const)('%s %j shows the colour it stands for', (format, how, planes, expected) => {
    const frame = { ...plain(format, planes), ...how };
    colourOf(frame, area).forEach((value, c) => expect(value).toBeCloseTo(expected[c]!, 1));
    // Where nothing is averaged, each pixel is a whole number of steps.
    colourOf(frame, bilinear).forEach((value, c) => expect(Math.abs(value - expected[c]!)).toBeLessThan(0.51));
  });

  it.each(PIXEL_FORMATS)('%s may have gaps between rows and planes anywhere', (format) => {
    for (const how of [area, bilinear]) {
      const tight: Frame = { data: randomBytes(3, 20_000), width: 37, height: 23, format };
      const { layout, data } = viewOf(tight, 'frame');
      const strides = layout.strides.map((stride) => stride + 9);
      const offsets = layout.offsets.map((_, plane) => 5 + plane * 6000);
      const spread = new Uint8Array(20_000);
      layout.strides.forEach((stride, plane) => {
        const end = layout.offsets[plane + 1] ?? data.length;
        for (let row = 0; layout.offsets[plane]! + row * stride < end; row++) {
          const from = layout.offsets[plane]! + row * stride;
          spread.set(data.subarray(from, from + stride), offsets[plane]! + row * strides[plane]!);
        }
      });
      const same = preprocess({ data: spread, width: 37, height: 23, format, stride: strides, offsets }, how);
      expect(same).toEqual(preprocess(tight, how));
    }
  });

  it('with one stride given has the others in proportion', () => {
    const frame = { data: new Uint8Array(20_000), width: 31, height: 20 };
    const strides = (format: Frame['format'], stride: number): readonly number[] =>
      viewOf({ ...frame, format, stride }, 'frame').layout.strides;
    expect(strides('yuv420p', 48)).toEqual([48, 24, 24]);
    expect(strides('nv12', 48)).toEqual([48, 48]);
    expect(strides('rgb24', 100)).toEqual([100]);
  });
});

describe('a region of interest', () => {
  it('shows what the same pixels in a picture of their own do', () => {
    const [width, height] = [40, 30];
    const data = randomBytes(8, width * height * 4).map((byte, i) => (i % 4 === 3 ? 255 : byte));
    const roi = { x: 7, y: 3, width: 19, height: 22 };
    const cut = new Uint8Array(roi.width * roi.height * 4);
    for (let y = 0; y < roi.height; y++) {
      const from = ((roi.y + y) * width + roi.x) * 4;
      cut.set(data.subarray(from, from + roi.width * 4), y * roi.width * 4);
    }
    for (const how of [area, bilinear]) {
      const alone = preprocess({ data: cut, width: roi.width, height: roi.height, channels: 4 }, how);
      expect(preprocess({ data, width, height, channels: 4, roi }, how)).toEqual(alone);
      expect(preprocess({ data, width, height, format: 'rgba', roi }, how)).toEqual(alone);
    }
  });
});

describe('a frame is refused by the name of what is wrong', () => {
  const good = { data: new Uint8Array(10 * 8 * 3), width: 10, height: 8, format: 'rgb24' };
  it.each([
    ['another format', { format: 'yuv444p' }, /one of rgb24, .*rgb565le for `pixels\.format` but received "yuv444p"/],
    ['a stride below a row', { stride: 29 }, /at least 30 for `pixels\.stride` but received 29/],
    ['strides of too many planes', { stride: [30, 30] }, /`pixels\.stride`/],
    ['a stride that is no number', { stride: 30.5 }, /`pixels\.stride`/],
    ['offsets of too many planes', { offsets: [0, 0] }, /one for each plane \(1\)/],
    ['a negative offset', { offsets: [-1] }, /`pixels\.offsets`/],
    ['data too short', { height: 9 }, /at least 270 bytes for 10 x 9 rgb24.*length 240/],
    ['data too short behind an offset', { offsets: [1] }, /at least 241 bytes/],
    ['a matrix unknown', { matrix: 'bt2020' }, /'bt601' or 'bt709' for `pixels\.matrix`/],
    ['a range unknown', { range: 'tv' }, /'limited' or 'full'/],
    ['a region beyond the picture', { roi: { x: 5, y: 0, width: 6, height: 8 } }, /inside 10 x 8 for `pixels\.roi`/],
    ['an empty region', { roi: { x: 0, y: 0, width: 0, height: 8 } }, /`pixels\.roi`/],
    ['a region of fractions', { roi: { x: 0.5, y: 0, width: 1, height: 1 } }, /`pixels\.roi`/],
    ['a region that is none', { roi: null }, /`pixels\.roi` but received null/],
    ['transfer as a word', { transfer: 'yes' }, /true or false/],
    ['a misspelt field', { colour: 1 }, /not "colour"/],
    ['channels beside a format', { channels: 3 }, /not "channels"/],
    ['sides beyond any picture', { width: 2 ** 30 }, /at most 4194304 for `pixels\.width`/],
  ])('%s', (_, change, message) => {
    const attempt = (): unknown => preprocess({ ...good, ...change } as unknown as Frame, area);
    expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
    expect(attempt).toThrow(message);
  });
});

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Classifier } from '../../lib/classify/classifier.js';
import type { StreamResult } from '../../lib/classify/classifyStream.js';
import { projectRoot } from '../cli/run.js';

const example = (name: string): string => join(projectRoot, `examples/${name}.png`);
let classifier: Classifier;
beforeAll(async () => {
  classifier = await Classifier.load(join(projectRoot, 'models/household-fp16.safetensors'), { threads: 1 });
});
afterAll(() => classifier.dispose());

/** An example as raw pixels of 160 x 160. */
const raw = (name: string, channels: 1 | 3 | 4 = 3): Promise<Buffer> => {
  const picture = sharp(example(name)).resize(160, 160);
  const shaped = channels === 1 ? picture.greyscale() : channels === 4 ? picture.ensureAlpha() : picture.removeAlpha();
  return shaped.raw().toBuffer();
};
const jpeg = (name: string): Promise<Buffer> => sharp(example(name)).resize(200).jpeg().toBuffer();

async function collected(stream: AsyncIterable<StreamResult>): Promise<StreamResult[]> {
  const results: StreamResult[] = [];
  for await (const result of stream) results.push(result);
  return results;
}
const labelsOf = (results: readonly StreamResult[]): (string | undefined)[] =>
  results.map(({ predictions }) => predictions[0]?.label);

describe('a stream of frames', () => {
  it('labels raw frames in their order, whatever pieces they come in', async () => {
    const bytes = Buffer.concat([await raw('clock'), await raw('chair'), await raw('lamp')]);
    const pieces = Array.from({ length: Math.ceil(bytes.length / 7000) }, (_, i) =>
      bytes.subarray(7000 * i, 7000 * (i + 1)),
    );
    const options = { format: 'rgb24', width: 160, height: 160, latest: false } as const;
    const results = await collected(classifier.stream(Readable.from(pieces), options));
    expect(labelsOf(results)).toEqual(['clock', 'chair', 'lamp']);
    expect(results.map(({ frame, dropped }) => [frame, dropped])).toEqual([
      [0, 0],
      [1, 0],
      [2, 0],
    ]);
    expect(results[0]).toMatchObject({ timeMs: 0, rejected: false });
    expect(results[0]!.latencyMs).toBeGreaterThan(0);
  });

  it('labels Motion JPEG, and goes on behind a picture that is none', async () => {
    const broken = await jpeg('lamp');
    // A frame header that says 0 x 0 pixels.
    broken.fill(0, broken.indexOf(Buffer.of(0xff, 0xc0)) + 5, broken.indexOf(Buffer.of(0xff, 0xc0)) + 9);
    const parts = [await jpeg('clock'), Buffer.from('\r\n--frame\r\n\r\n'), broken, await jpeg('chair')];
    const results = await collected(classifier.stream(Readable.from(parts), { format: 'mjpeg', latest: false }));
    expect(labelsOf(results)).toEqual(['clock', undefined, 'chair']);
    expect(results[1]).toMatchObject({ rejected: true, error: { code: 'ERR_IMAGE' } });
  });

  it('looks at the newest frame and counts what it dropped', async () => {
    const frame = await raw('clock');
    const results = await collected(
      classifier.stream(Readable.from(new Array<Buffer>(50).fill(frame)), { format: 'rgb24', width: 160, height: 160 }),
    );
    const seen = results.length;
    const dropped = results.reduce((sum, result) => sum + result.dropped, 0);
    expect(seen + dropped).toBe(50);
    expect(results.at(-1)!.frame).toBe(49);
  });

  it('looks at every n-th frame when asked', async () => {
    const frames = new Array<Buffer>(7).fill(await raw('clock', 1));
    const options = { format: 'gray', width: 160, height: 160, every: 3, latest: false } as const;
    const results = await collected(classifier.stream(Readable.from(frames), options));
    expect(results.map(({ frame }) => frame)).toEqual([0, 3, 6]);
  });

  it('keeps its label over a single other frame when smoothed', async () => {
    const [clock, chair] = [await raw('clock'), await raw('chair')];
    const frames = [clock, clock, chair, clock, chair, chair, chair, chair, chair];
    const options = { format: 'rgb24', width: 160, height: 160, latest: false, smooth: true } as const;
    const labels = labelsOf(await collected(classifier.stream(Readable.from(frames), options)));
    expect(labels.slice(0, 4)).toEqual(['clock', 'clock', 'clock', 'clock']);
    expect(labels.at(-1)).toBe('chair');
  });

  /** A grey picture of 160 x 160 as a camera's frame, with `gap` bytes behind each row, half of it behind yuv420p's chroma. */
  const asFrame = (grey: Uint8Array, format: 'yuv420p' | 'nv12' | 'yuyv422' | 'rgb565le', gap: number): Uint8Array => {
    const plane = (rows: number, length: number, byte: (x: number, y: number) => number, behind = gap): Buffer =>
      Buffer.from(
        Array.from({ length: rows * (length + behind) }, (_, i) => {
          const [x, y] = [i % (length + behind), Math.floor(i / (length + behind))];
          return x < length ? byte(x, y) : 255;
        }),
      );
    const at = (x: number, y: number): number => grey[160 * y + x]!;
    const luma = (x: number, y: number): number => 16 + Math.round((at(x, y) * 219) / 255);
    const none = (): number => 128;
    switch (format) {
      case 'yuv420p':
        return Buffer.concat([plane(160, 160, luma), plane(80, 80, none, gap / 2), plane(80, 80, none, gap / 2)]);
      case 'nv12':
        return Buffer.concat([plane(160, 160, luma), plane(80, 160, none)]);
      case 'yuyv422':
        return plane(160, 320, (x, y) => (x % 2 === 0 ? luma(x / 2, y) : 128));
      case 'rgb565le':
        return plane(160, 320, (x, y) => {
          const value = at(Math.floor(x / 2), y);
          const word = ((value >> 3) << 11) | ((value >> 2) << 5) | (value >> 3);
          return x % 2 === 0 ? word & 255 : word >> 8;
        });
    }
  };

  it.each(['yuv420p', 'nv12', 'yuyv422', 'rgb565le'] as const)(
    'labels a camera’s %s, with gaps between rows',
    async (format) => {
      const options = { width: 160, height: 160, latest: false } as const;
      for (const gap of [0, 96]) {
        const frames = [await raw('clock', 1), await raw('keyboard', 1)].map((grey) => asFrame(grey, format, gap));
        const bytesAPixel = format === 'yuyv422' || format === 'rgb565le' ? 2 : 1;
        const stride = gap === 0 ? {} : { stride: 160 * bytesAPixel + gap };
        const stream = classifier.stream(Readable.from([Buffer.concat(frames)]), { format, ...options, ...stride });
        expect(labelsOf(await collected(stream))).toEqual(['clock', 'keyboard']);
      }
    },
  );

  it('takes the colours for what matrix and range say', async () => {
    const frame = { format: 'nv12', width: 160, height: 160, matrix: 'bt709', range: 'full' } as const;
    // Luma of a picture, chroma of a strong colour.
    const data = Buffer.concat([await raw('chair', 1), Buffer.alloc((160 * 160) / 2).fill(Buffer.of(60, 200))]);
    const { predictions } = await classifier.classify({ data, ...frame });
    const plain = await collected(
      classifier.stream(Readable.from([data]), { ...frame, matrix: 'bt601', range: 'limited' }),
    );
    const told = await collected(classifier.stream(Readable.from([data]), frame));
    expect(told[0]!.predictions).toEqual(predictions);
    expect(plain[0]!.predictions).not.toEqual(predictions);
  });

  it('looks at the region it is told, of raw frames and of JPEGs', async () => {
    const two = await Promise.all(
      ['clock', 'chair'].map((name) => sharp(example(name)).resize(160, 160).removeAlpha().toBuffer()),
    );
    const side = sharp({ create: { width: 320, height: 160, channels: 3, background: '#fff' } }).composite(
      two.map((input, i) => ({ input, left: 160 * i, top: 0 })),
    );
    const options = { roi: { x: 160, y: 0, width: 160, height: 160 }, latest: false } as const;
    const pixels = await side.clone().removeAlpha().raw().toBuffer();
    const raws = classifier.stream(Readable.from([pixels]), { format: 'rgb24', width: 320, height: 160, ...options });
    expect(labelsOf(await collected(raws))).toEqual(['chair']);
    const jpegs = classifier.stream(Readable.from([await side.jpeg().toBuffer()]), { format: 'mjpeg', ...options });
    expect(labelsOf(await collected(jpegs))).toEqual(['chair']);
  });

  it('ends with its signal, also while the source is silent', async () => {
    const controller = new AbortController();
    const silent = new Readable({ read: () => undefined });
    const options = { format: 'mjpeg', signal: controller.signal } as const;
    const ended = collected(classifier.stream(silent, options));
    setTimeout(() => controller.abort(), 20);
    await expect(ended).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    silent.destroy();
  });

  it('closes its source when the loop is left', async () => {
    const source = Readable.from(
      (async function* () {
        for (;;) yield await raw('clock');
      })(),
    );
    for await (const _ of classifier.stream(source, { format: 'rgb24', width: 160, height: 160 })) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(source.destroyed).toBe(true);
  });

  it.each([
    ['a source that is none', 'text', { format: 'mjpeg' }, 'source'],
    ['an unknown format', Readable.from([]), { format: 'yuv9' }, 'options.format'],
    ['raw frames without sides', Readable.from([]), { format: 'rgb24' }, 'options.width'],
    [
      'a stride that is too short',
      Readable.from([]),
      { format: 'nv12', width: 4, height: 4, stride: 3 },
      'options.stride',
    ],
    ['a region outside', Readable.from([]), { format: 'gray', width: 4, height: 4, roi: { x: 4 } }, 'options.roi'],
    ['a matrix for JPEGs', Readable.from([]), { format: 'mjpeg', matrix: 'bt709' }, 'options.matrix'],
  ])('refuses %s', async (_, source, options, name) => {
    await expect(collected(classifier.stream(source as never, options as never))).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining(name),
    });
  });

  it.skipIf(spawnSync('ffmpeg', ['-version']).status !== 0)(
    'labels what ffmpeg makes of a film of slides, in its own bgra and gray (skipped without ffmpeg)',
    async () => {
      for (const format of ['bgra', 'gray'] as const) {
        const { stdout } = spawnSync(
          'ffmpeg',
          [
            ...['-loglevel', 'error', '-f', 'image2pipe', '-framerate', '1', '-c:v', 'png', '-i', '-'],
            ...['-vf', 'scale=160:160', '-f', 'rawvideo', '-pix_fmt', format, '-'],
          ],
          { input: Buffer.concat(['clock', 'keyboard'].map((name) => readFileSync(example(name)))), maxBuffer: 1e8 },
        );
        const options = { format, width: 160, height: 160, latest: false } as const;
        const results = await collected(classifier.stream(Readable.from([stdout]), options));
        expect(labelsOf(results)).toEqual(['clock', 'keyboard']);
      }
    },
  );
});

import { describe, expect, it } from 'vitest';
import { jpegFrames, rawFrames } from '../../lib/stream/chunks.js';
import fc from '../fastCheck.js';

/** `bytes` in pieces cut at the places given. */
async function* pieces(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  let from = 0;
  for (const cut of [...cuts, bytes.length].map((at) => at % (bytes.length + 1)).sort((a, b) => a - b)) {
    if (cut > from) yield bytes.subarray(from, cut);
    from = Math.max(from, cut);
  }
  if (from < bytes.length) yield bytes.subarray(from);
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

const join = (parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

describe('raw frames', () => {
  it('are the same whatever the pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 7, maxLength: 7 }), { maxLength: 8 }),
        fc.array(fc.nat(100)),
        async (frames, cuts) => {
          const got = await all(rawFrames(pieces(join(frames), cuts), 7));
          expect(got).toEqual(frames);
        },
      ),
    );
  });

  it('take their memory from frames that are no longer needed', async () => {
    const recycled = [new Uint8Array(2)];
    const [kept] = recycled;
    const [first] = await all(rawFrames(pieces(Uint8Array.of(1, 2), []), 2, recycled));
    expect(first).toBe(kept);
  });

  it('say when the stream ended within one', async () => {
    await expect(all(rawFrames(pieces(new Uint8Array(10), []), 7))).rejects.toMatchObject({
      code: 'ERR_IMAGE',
      message: expect.stringContaining('3 of 7 bytes'),
    });
  });

  it('refuse a stream of text', async () => {
    async function* text(): AsyncGenerator<never> {
      yield 'abc' as never;
    }
    await expect(all(rawFrames(text(), 3))).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });
});

describe('frames of Motion JPEG', () => {
  /** A JPEG's frame of markers: a segment that holds an end-of-image marker, a scan with a stuffed byte. */
  const jpeg = (fill: number): Uint8Array =>
    Uint8Array.of(
      ...[0xff, 0xd8, 0xff, 0xe1, 0, 6, 0xff, 0xd9, 0xff, 0xd8],
      ...[0xff, 0xda, 0, 2, fill, 0xff, 0, 7, 0xff, 0xd3, 8, 0xff, 0xd9],
    );
  const header = new TextEncoder().encode('--frame\r\nContent-Type: image/jpeg\r\n\r\n');

  it('are found whatever the pieces, with headers between them or without', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        fc.array(fc.nat(400)),
        async (fills, withHeaders, cuts) => {
          const frames = fills.map(jpeg);
          const bytes = join(frames.flatMap((frame) => (withHeaders ? [header, frame] : [frame])));
          expect(await all(jpegFrames(pieces(bytes, cuts), 1000))).toEqual(frames);
        },
      ),
    );
  });

  it('go on behind one that is too large', async () => {
    const endless = join([Uint8Array.of(0xff, 0xd8, 0xff, 0xda, 0, 2), new Uint8Array(500)]);
    const got = await all(jpegFrames(pieces(join([endless, jpeg(1)]), [300, 520]), 100));
    expect(got.at(-1)).toEqual(jpeg(1));
  });

  it('leave out one that is cut off', async () => {
    expect(await all(jpegFrames(pieces(jpeg(1).subarray(0, 15), []), 1000))).toEqual([]);
  });
});

import sharp from 'sharp';
import { expect, it } from 'vitest';
import { pngUrl } from '../../lib/report/png.js';

it('is read by other programs pixel for pixel', async () => {
  const data = Uint8Array.from({ length: 5 * 3 * 3 }, (_, i) => (i * 37) % 256);
  const url = pngUrl({ data, width: 5, height: 3 });
  const file = Buffer.from(url.replace('data:image/png;base64,', ''), 'base64');
  const read = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  expect(read.info).toMatchObject({ width: 5, height: 3, channels: 3 });
  expect(new Uint8Array(read.data)).toEqual(data);
});

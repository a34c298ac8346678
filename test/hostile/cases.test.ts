// The files of ../shared/cases made to do harm, read in processes of their own so that what they take can be seen.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { decodeImage } from '../../lib/image/decode.js';
import { readModel } from '../../lib/model/files.js';
import { describeShared } from '../shared.js';

const entry = JSON.stringify(join(import.meta.dirname, '../../dist/index.js'));

/** Reads the file given; prints the error's class and code, and by how much the process grew at most, in MiB. */
const READ = `
  import { NeonsenseError, readModel } from ${entry};
  const peak = () => process.resourceUsage().maxRSS / 1024;
  await readModel(new Uint8Array(3)).catch(() => {});
  const before = peak();
  const outcome = await readModel(process.argv[1]).then(() => 'read', (error) => error);
  const isOurs = outcome instanceof NeonsenseError;
  console.log(JSON.stringify({ isOurs, code: outcome.code, grown: peak() - before }));
`;

describeShared('hostile model files', (shared) => {
  const folder = join(shared, 'cases/hostile');
  const files = shared === '' ? [] : readdirSync(folder).filter((name) => /\.(pth|safetensors)$/.test(name));

  it.each(files)('%s ends in an error of ours within 100 MB', (file) => {
    const args = ['--input-type=module', '--eval', READ, join(folder, file)];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 });
    expect(stderr).toBe('');
    const { isOurs, code, grown } = JSON.parse(stdout) as { isOurs: boolean; code: string; grown: number };
    expect({ isOurs, code }).toEqual({ isOurs: true, code: 'ERR_MODEL_FORMAT' });
    expect(grown).toBeLessThan(100);
  });
});

describeShared('files that are no model', (shared) => {
  it.each<[string, RegExp]>([
    ['f01-lfs-pointer.pth', /Git LFS pointer.*git lfs pull/],
    ['f02-html.pth', /a web page/],
    ['f03-json-error.safetensors', /JSON.*Invalid username or password/],
    ['f07-empty.pth', /empty \(0 bytes\)/],
    ['f08-tflite.tflite', /TensorFlow Lite/],
    ['f09-hdf5.h5', /HDF5/],
  ])('%s is refused by what it is', async (file, message) => {
    const reading = readModel(join(shared, 'cases/other', file));
    await expect(reading).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT', message: expect.stringMatching(message) });
  });
});

describeShared('pictures from the field', (shared) => {
  const path = (name: string): string => join(shared, 'cases/pictures', name);

  it.each<[string, RegExp]>([
    ['15-leading-newline.jpg', /2 bytes of something else stand before its JPEG/],
    ['54-float.tiff', /floating-point numbers/],
    ['56.svg', /an SVG drawing/],
    ['61-heic-named.jpg', /a HEIC picture/],
  ])('%s is refused by what it is', async (file, message) => {
    const decoding = decodeImage(path(file));
    await expect(decoding).rejects.toMatchObject({ code: 'ERR_IMAGE', message: expect.stringMatching(message) });
  });

  it('a JPEG that lacks only its last two bytes is decoded', async () => {
    expect(await decodeImage(path('13-no-eoi.jpg'))).toMatchObject({ width: 640, height: 480 });
  });
});

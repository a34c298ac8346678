import { describe, expect, it } from 'vitest';
import { encodeModel, readModel } from '../../lib/model/files.js';
import { parseSafetensors } from '../../lib/model/format/safetensors.js';
import {
  ASSUMED,
  PRESETS,
  type Preprocessing,
  parsePreprocessing,
  preprocessingFrom,
  presetOf,
} from '../../lib/model/preprocessing.js';
import { randomModel } from '../randomModel.js';

const plain = { size: [224, 224], mean: [0, 0, 0], std: [1, 1, 1] } as const;

describe('presets', () => {
  it.each(Object.entries(PRESETS))('%s is a sound preprocessing that is told by what it does', (name, preset) => {
    expect(parsePreprocessing(preset)).toEqual(preset);
    expect(preprocessingFrom(name, 'options.preprocessing')).toBe(preset);
    const shuffled = Object.fromEntries(Object.entries(preset).reverse());
    expect(presetOf(shuffled as unknown as Preprocessing)).toBe(name);
  });

  it('do not include what is assumed, which no recipe is quite', () => {
    expect(parsePreprocessing(ASSUMED)).toEqual(ASSUMED);
    expect(presetOf(ASSUMED)).toBeUndefined();
  });
});

describe('a preprocessing is refused by the field that is wrong', () => {
  it.each([
    ['an unknown name', 'torchvison', /one of torchvision, timm, keras, household.*"torchvison"/],
    ['a name every object has', 'constructor', /one of torchvision/],
    ['null', null, /an object with size, mean and std for `p` but received null/],
    ['a list', [plain], /an object/],
    ['no size', { ...plain, size: undefined }, /\[height, width\].*`p\.size` but received undefined/],
    ['a size of 0', { ...plain, size: [0, 1] }, /`p\.size` but received "0,1"/],
    ['a size beyond any picture', { ...plain, size: [1, 65_536] }, /1 to 65535 for `p\.size`/],
    ['two means', { ...plain, mean: [0, 0] }, /three finite numbers.*`p\.mean`/],
    ['a std of 0', { ...plain, std: [1, 0, 1] }, /above 0.*`p\.std` but received "1,0,1"/],
    ['a mean that is no number', { ...plain, mean: [0, Number.NaN, 0] }, /`p\.mean`/],
    ['an unknown fit', { ...plain, fit: 'cover' }, /squash, crop or letterbox for `p\.fit` but received "cover"/],
    ['an unknown interpolation', { ...plain, interpolation: 'lanczos' }, /`p\.interpolation`/],
    ['antialias as a word', { ...plain, antialias: 'yes' }, /true or false for `p\.antialias`/],
    ['a range upside down', { ...plain, range: [1, -1] }, /`p\.range`/],
    ['a fill of other numbers', { ...plain, fit: 'letterbox', fill: [0, 0, 256] }, /`p\.fill`/],
    ['a misspelt field', { ...plain, interpolate: 'area' }, /only fit, resize.*"interpolate"/],
    ['crop without resize', { ...plain, fit: 'crop' }, /`p\.resize` but received undefined/],
    ['resize below size', { ...plain, fit: 'crop', resize: 200 }, /at least 224.*`p\.resize` but received 200/],
    ['resize beside letterbox', { ...plain, fit: 'letterbox', resize: 256 }, /nothing beside letterbox/],
    ['fill beside crop', { ...plain, fit: 'crop', resize: 256, fill: [0, 0, 0] }, /nothing beside crop/],
    ['bicubic without antialias', { ...plain, interpolation: 'bicubic' }, /true beside bicubic for `p\.antialias`/],
    ['antialias beside area', { ...plain, interpolation: 'area', antialias: true }, /`p\.antialias`/],
    ['reduce beside antialias', { ...plain, reduce: [32, 32], antialias: true }, /`p\.reduce`/],
  ])('%s', (_, value, message) => {
    const attempt = (): unknown => preprocessingFrom(value, 'p');
    expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
    expect(attempt).toThrow(message);
  });
});

describe('in a file', () => {
  const versionOf = (preprocessing: Preprocessing): string | undefined =>
    parseSafetensors(encodeModel({ ...randomModel(), preprocessing })).metadata.get('version');

  it('is version 1 where the first readers know all of it, and 1.1 where they would misread it', () => {
    expect(versionOf(PRESETS.household)).toBe('1');
    expect(versionOf({ reduce: [8, 9], size: [96, 128], mean: [0, 0, 0], std: [1, 1, 1] })).toBe('1');
    expect(versionOf({ ...PRESETS.household, range: [-1, 1] })).toBe('1.1');
    for (const preset of [PRESETS.torchvision, PRESETS.timm, PRESETS.keras]) expect(versionOf(preset)).toBe('1.1');
  });

  it.each(Object.entries(PRESETS))('%s comes back as it was', async (_, preset) => {
    const read = await readModel(encodeModel({ ...randomModel(), preprocessing: preset }));
    expect(JSON.stringify(read.preprocessing)).toBe(JSON.stringify(preset));
  });

  it('is refused there too', () => {
    const preprocessing = { ...PRESETS.torchvision, resize: 100 };
    expect(() => encodeModel({ ...randomModel(), preprocessing })).toThrow(
      expect.objectContaining({ code: 'ERR_MODEL_FORMAT', message: expect.stringContaining('preprocessing.resize') }),
    );
  });

  it('stays assumed until somebody chooses', async () => {
    const bytes = encodeModel({ ...randomModel(), preprocessing: ASSUMED });
    expect((await readModel(bytes)).preprocessing.assumed).toBe(true);
    expect((await readModel(bytes, { preprocessing: 'timm' })).preprocessing).toEqual(PRESETS.timm);
  });
});

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readModel, writeModel } from '../../../lib/model/files.js';
import { parsePreprocessing } from '../../../lib/model/preprocessing.js';
import { plainArchitecture } from '../../compress/running.js';
import { safetensorsBytes } from '../../golden/randomNetwork.js';
import { randomModel } from '../../randomModel.js';
import { tensorsOf } from './torch/checkpoint.js';

const model = plainArchitecture(randomModel({ classes: 3 }));
const weights = safetensorsBytes(tensorsOf(model));

/** As timm pushes it. */
const TIMM = {
  architecture: 'tf_mobilenetv3_small_100',
  num_classes: 3,
  label_names: ['cat', 'dog', 'horse'],
  pretrained_cfg: {
    input_size: [3, 224, 224],
    interpolation: 'bilinear',
    crop_pct: 0.875,
    crop_mode: 'center',
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  },
};

describe('a folder from Hugging Face', () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  const put = (name: string, content: unknown): Promise<void> =>
    writeFile(at(name), typeof content === 'string' ? content : JSON.stringify(content));

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'neonsense-hub-'));
    await writeFile(at('model.safetensors'), weights);
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("brings labels, preprocessing and TensorFlow's conventions", async () => {
    await put('config.json', TIMM);
    const read = await readModel(at('model.safetensors'));
    expect(read.labels).toEqual(['cat', 'dog', 'horse']);
    expect(read.architecture).toEqual({ ...model.architecture, padding: 'same' });
    expect(read.preprocessing).toEqual({
      fit: 'crop',
      resize: 256,
      size: [224, 224],
      interpolation: 'bilinear',
      antialias: true,
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    });
    expect(parsePreprocessing(read.preprocessing)).toEqual(read.preprocessing);
  });

  it("takes PyTorch's conventions for a name without tf_, and timm's older layout of the file", async () => {
    const { architecture: _, pretrained_cfg, ...rest } = TIMM;
    const config = { architecture: 'mobilenetv3_small_100', ...rest, ...pretrained_cfg, interpolation: 'bicubic' };
    await put('config.json', { ...config, crop_pct: 1, crop_mode: 'squash' });
    const read = await readModel(at('model.safetensors'));
    expect(read.architecture).toEqual(model.architecture);
    expect(read.preprocessing).toMatchObject({ fit: 'squash', resize: 224, interpolation: 'bicubic' });
  });

  it("reads transformers' names of classes and its image processor, which comes first", async () => {
    await put('config.json', { ...TIMM, label_names: null, id2label: { 1: 'b', 0: 'a', 2: 'c' } });
    await put('preprocessor_config.json', {
      do_resize: true,
      size: { shortest_edge: 236 },
      resample: 3,
      do_center_crop: true,
      crop_size: { height: 224, width: 224 },
      rescale_factor: 0.00392156862745098,
      image_mean: [0.485, 0.456, 0.406],
      image_std: [0.229, 0.224, 0.225],
    });
    const read = await readModel(at('model.safetensors'));
    expect(read.labels).toEqual(['a', 'b', 'c']);
    expect(read.preprocessing).toEqual({
      fit: 'crop',
      resize: 236,
      size: [224, 224],
      interpolation: 'bicubic',
      antialias: true,
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    });
    await put('preprocessor_config.json', {
      size: 192,
      image_mean: [0, 0, 0],
      image_std: [1, 1, 1],
      rescale_factor: 1,
    });
    const { preprocessing } = await readModel(at('model.safetensors'));
    expect(preprocessing).toMatchObject({ fit: 'squash', size: [192, 192], range: [0, 255] });
  });

  it('gives way to what the caller says', async () => {
    await put('config.json', TIMM);
    const said = { labels: ['x', 'y', 'z'], preprocessing: 'torchvision', padding: 'torch' } as const;
    const read = await readModel(at('model.safetensors'), said);
    expect(read.labels).toEqual(said.labels);
    expect(read.architecture).toEqual(model.architecture);
    expect(read.preprocessing).toMatchObject({ resize: 256, mean: [0.485, 0.456, 0.406] });
  });

  it('may have names of other classes than those of the weights, which are left out', async () => {
    await put('config.json', { ...TIMM, label_names: ['a', 'b'] });
    expect((await readModel(at('model.safetensors'))).labels).toEqual(['class 0', 'class 1', 'class 2']);
  });

  it.each<[string, string, unknown, RegExp]>([
    ['config.json', 'is not JSON', '{"architecture": ', /config\.json is not JSON/],
    ['config.json', 'has a number for a name', { architecture: 3 }, /config\.json.*architecture/],
    [
      'config.json',
      'has a deviation of 0',
      { ...TIMM, pretrained_cfg: { ...TIMM.pretrained_cfg, std: [0, 1, 1] } },
      /config\.json.*preprocessing\.std/,
    ],
    ['preprocessor_config.json', 'is a list', [], /preprocessor_config\.json/],
    ['config.json', 'is too large', ' '.repeat(2 ** 24 + 1), /limits\.headerBytes/],
  ])('is refused when its %s %s', async (name, _, content, message) => {
    await put(name, content);
    await expect(readModel(at('model.safetensors'))).rejects.toEqual(
      expect.objectContaining({ code: 'ERR_MODEL_FORMAT', message: expect.stringMatching(message) }),
    );
  });

  it('says nothing to weights of other names, and to a model file', async () => {
    await put('config.json', TIMM);
    await writeFile(at('other.safetensors'), weights);
    expect((await readModel(at('other.safetensors'))).labels).toEqual(['class 0', 'class 1', 'class 2']);
    await writeModel(model, at('model.safetensors'));
    const read = await readModel(at('model.safetensors'));
    expect(read.labels).toEqual(model.labels);
    expect(read.architecture).toEqual(model.architecture);
    await expect(readModel(at('model.safetensors'), { padding: 'same' })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
  });
});

describe('what the caller says of a bare network', () => {
  it('is checked', async () => {
    for (const options of [{ padding: 'valid' }, { batchNormEpsilon: 0 }, { batchNormEpsilon: '1e-5' }]) {
      await expect(readModel(weights, options as object)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    }
  });

  it('is kept in the architecture only where it is not as in torchvision', async () => {
    const same = await readModel(weights, { padding: 'same', batchNormEpsilon: 1e-5 });
    expect(same.architecture).toEqual({ ...model.architecture, padding: 'same', batchNormEpsilon: 1e-5 });
    const plain = await readModel(weights, { padding: 'torch', batchNormEpsilon: 0.001 });
    expect(plain.architecture).toEqual(model.architecture);
  });
});

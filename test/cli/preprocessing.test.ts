import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { preprocessingText, readPreprocessing } from '../../lib/cli/preprocessing.js';
import { ASSUMED, PRESETS, type Preprocessing } from '../../lib/model/preprocessing.js';
import { describeShared } from '../shared.js';
import { neonsense, projectRoot } from './run.js';

const shipped = join(projectRoot, 'models', 'household-fp32.safetensors');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'neonsense-preprocess-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function document(name: string, content: object): string {
  writeFileSync(join(folder, name), JSON.stringify(content));
  return join(folder, name);
}

describe('--preprocess', () => {
  it('takes the name of a preset, JSON, or a file of it', async () => {
    expect(await readPreprocessing('timm')).toEqual(PRESETS.timm);
    expect(await readPreprocessing(` ${JSON.stringify(PRESETS.keras)}`)).toEqual(PRESETS.keras);
    expect(await readPreprocessing(document('own.json', PRESETS.household))).toEqual(PRESETS.household);
  });

  it('takes what timm and transformers save', async () => {
    const means = { mean: PRESETS.timm.mean, std: PRESETS.timm.std };
    const config = { architecture: 'x', pretrained_cfg: { input_size: [3, 224, 224], crop_pct: 0.875, ...means } };
    expect(await readPreprocessing(document('config.json', config))).toEqual(PRESETS.timm);
    const processor = {
      ...{ size: { shortest_edge: 256 }, do_center_crop: true, crop_size: { height: 224, width: 224 }, resample: 2 },
      ...{ image_mean: PRESETS.torchvision.mean, image_std: PRESETS.torchvision.std, rescale_factor: 1 / 255 },
    };
    expect(await readPreprocessing(document('preprocessor_config.json', processor))).toEqual(PRESETS.torchvision);
  });

  it.each([
    ['another name', 'imagenet', /one of torchvision, timm, keras, household/],
    ['half of it', '{"size":[224,224]}', /three finite numbers/],
    ['what is no JSON', '{size:224}', /not JSON/],
    ['a file that is not there', './nowhere.json', /no file/],
  ])('refuses %s', async (_, text, message) => {
    await expect(readPreprocessing(text)).rejects.toThrow(message);
  });

  it.each([
    ...['inspect', 'classify', 'evaluate', 'compare', 'compress', 'export', 'bench', 'convert', 'embed', 'learn'],
    ...['serve', 'watch'],
  ])('%s has it, and a wrong one is wrong usage', async (command) => {
    const rest: Readonly<Record<string, readonly string[]>> = {
      evaluate: [shipped, '--data', folder],
      compare: [shipped, shipped],
      compress: [shipped, '-o', join(folder, 'out.safetensors'), '--quantize', 'fp16'],
      export: [shipped, join(folder, 'out.onnx')],
      convert: [shipped, '-o', join(folder, 'out.safetensors')],
      learn: [folder, '-o', join(folder, 'out.safetensors'), '--base', 'features-imagenet'],
      serve: [],
    };
    const { code, stderr } = await neonsense([command, '--preprocess', 'nope', ...(rest[command] ?? [shipped])]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/one of torchvision.*--preprocess/);
  });

  it('replaces what the file says', async () => {
    const { stdout, stderr } = await neonsense(['inspect', '--json', '--preprocess', 'keras', shipped]);
    expect(stderr).toBe('');
    expect((JSON.parse(stdout) as { preprocessing: Preprocessing }).preprocessing).toEqual(PRESETS.keras);
  });
});

describe('a preprocessing for people', () => {
  it.each([
    [
      PRESETS.household,
      'area average to 32 x 32, mean 0.485 0.456 0.406, std 0.229 0.224 0.225, bilinear to 224 x 224 (household)',
    ],
    [
      PRESETS.timm,
      'mean 0.485 0.456 0.406, std 0.229 0.224 0.225, antialiased bicubic, shorter side to 256, centre crop 224 x 224 (timm)',
    ],
    [PRESETS.keras, 'values from -1 to 1, mean 0 0 0, std 1 1 1, bilinear to 224 x 224 (keras)'],
    [
      { fit: 'letterbox', size: [96, 128], interpolation: 'area', fill: [0, 0, 0], mean: [0, 0, 0], std: [1, 1, 1] },
      'mean 0 0 0, std 1 1 1, area, whole inside 96 x 128, filled with 0 0 0',
    ],
  ] as const)('%#', (value, text) => {
    expect(preprocessingText(value)).toBe(text);
  });

  it('says where it is a guess', () => {
    expect(preprocessingText(ASSUMED)).toMatch(/\(assumed\)$/);
  });
});

describeShared('a bare checkpoint', (shared) => {
  const checkpoint = join(shared, 'checkpoints', 'household-first.pth');
  const chair = join(shared, 'cases', 'pictures', '90-wide-chair.jpg');
  const classify = async (...args: string[]): Promise<{ label: string; probability: number; stderr: string }> => {
    const { code, stdout, stderr } = await neonsense(['classify', '--json', '-m', checkpoint, ...args, chair]);
    expect(code).toBe(0);
    const [first] = (JSON.parse(stdout) as { predictions: { label: string; probability: number }[] }).predictions;
    return { ...first!, stderr };
  };

  it('says loudly what it is given, and finds a wide chair without squashing it', async () => {
    const { label, stderr } = await classify();
    expect(label).toBe('class 6');
    expect(stderr).toMatch(/household-first\.pth does not say how.*assumed: area average to 224.*--preprocess/);
  });

  it("gives PyTorch's answer when its preprocessing is named, and then says nothing", async () => {
    const { label, probability, stderr } = await classify('--preprocess', 'torchvision');
    expect([label, stderr]).toEqual(['class 6', '']);
    expect(probability).toBeCloseTo(0.83, 2);
  });
});

describe('a named pipe that nobody writes to', () => {
  it('is refused in the place of a preprocessing and of ranges', async () => {
    const pipe = join(folder, 'pipe.json');
    execFileSync('mkfifo', [pipe]);
    await expect(readPreprocessing(pipe)).rejects.toMatchObject({ code: 'ERR_IO', message: /named pipe/ });
    const compressed = await neonsense([
      'compress',
      shipped,
      '--quantize',
      'static',
      '--ranges',
      pipe,
      '-o',
      join(folder, 'o'),
    ]);
    expect(compressed).toMatchObject({ stderr: expect.stringContaining('named pipe') });
  });
});

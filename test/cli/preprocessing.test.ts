import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { preprocessing, preprocessingText } from '../../lib/cli/preprocessing.js';
import { ASSUMED, PRESETS, type Preprocessing } from '../../lib/model/preprocessing.js';
import { describeShared } from '../shared.js';
import { neonsense, projectRoot } from './run.js';

const shipped = join(projectRoot, 'models', 'household-fp32.safetensors');

describe('--preprocessing', () => {
  it('takes the name of a preset, or JSON', () => {
    expect(preprocessing('timm')).toEqual(PRESETS.timm);
    expect(preprocessing(` ${JSON.stringify(PRESETS.keras)}`)).toEqual(PRESETS.keras);
  });

  it.each([
    ['another name', 'imagenet', /one of torchvision, timm, keras, household/],
    ['half of it', '{"size":[224,224]}', /three finite numbers/],
    ['what is no JSON', '{size:224}', /not JSON/],
  ])('refuses %s', (_, text, message) => {
    expect(() => preprocessing(text)).toThrow(message);
  });

  it.each(['inspect', 'classify', 'evaluate', 'compare', 'compress', 'export', 'bench'])(
    '%s has it, and a wrong one is wrong usage',
    async (command) => {
      const { code, stderr } = await neonsense([command, '--preprocessing', 'nope', shipped]);
      expect(code).toBe(2);
      expect(stderr).toMatch(/--preprocessing.*one of torchvision/);
    },
  );

  it('replaces what the file says', async () => {
    const { stdout, stderr } = await neonsense(['inspect', '--json', '--preprocessing', 'keras', shipped]);
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
    expect(stderr).toMatch(/household-first\.pth does not say how.*assumed: area average to 224.*--preprocessing/);
  });

  it("gives PyTorch's answer when its preprocessing is named, and then says nothing", async () => {
    const { label, probability, stderr } = await classify('--preprocessing', 'torchvision');
    expect([label, stderr]).toEqual(['class 6', '']);
    expect(probability).toBeCloseTo(0.83, 2);
  });
});

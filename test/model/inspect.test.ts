import { describe, expect, it } from 'vitest';
import { foldModel } from '../../lib/model/foldBatchNorm.js';
import { inspectModel } from '../../lib/model/inspect.js';
import { randomModel } from '../randomModel.js';
import { torchvisionArchitecture } from '../torchvisionArchitecture.js';

describe('inspectModel', () => {
  // Counted by forward hooks on torchvision 0.14's networks: output elements times weights per output.
  it.each([
    ['mobilenet_v3_small', [224, 224], 2_542_856, 56_510_400],
    ['mobilenet_v3_small', [97, 131], 2_542_856, 20_086_664],
    ['mobilenet_v3_large', [224, 224], 5_483_032, 216_589_760],
    ['mobilenet_v3_large', [97, 131], 5_483_032, 72_180_920],
  ] as const)('counts %s at %j as PyTorch does', (name, size, parameters, macs) => {
    const model = randomModel({ architecture: torchvisionArchitecture(name, { classes: 1000 }) });
    const summary = inspectModel({ ...model, preprocessing: { ...model.preprocessing, size } });
    expect(summary).toMatchObject({ classes: 1000, parameters, macs, batchNormFolded: false });
  });

  it('counts one number per channel less where batch norm is folded', () => {
    const model = randomModel();
    const channels = [...model.layers.values()].reduce((sum, layer) => sum + (layer.batchNorm?.mean.length ?? 0), 0);
    const folded = inspectModel(foldModel(model));
    expect(folded.parameters).toBe(inspectModel(model).parameters - channels);
    expect(folded.batchNormFolded).toBe(true);
  });

  it('says how sure the model is to be taken', () => {
    const confidence = { temperature: 0.5, rejectBelow: 0.3 };
    expect(inspectModel({ ...randomModel(), confidence }).confidence).toEqual(confidence);
    expect(inspectModel(randomModel())).not.toHaveProperty('confidence');
  });

  it('says of each layer what it is, how its weights are kept, and how many are zero', () => {
    const model = randomModel({
      classes: 4,
      sparsity: 0.5,
      weightType: ({ kind }) => (kind === 'linear' ? 'i8' : 'f32'),
    });
    const { layers, sparsity, bytes } = inspectModel(model, { bytes: 123 });
    expect(bytes).toBe(123);
    expect(layers).toHaveLength(54);
    expect(layers[0]).toMatchObject({ name: 'features.0.0', kind: 'conv2d', shape: [8, 3, 3, 3], weightType: 'f32' });
    expect(layers[1]).toMatchObject({ name: 'features.1.block.0.0', kind: 'depthwise-conv2d' });
    expect(layers[53]).toMatchObject({
      name: 'classifier.3',
      kind: 'linear',
      weightType: 'i8',
      parameters: 4 * 64 + 4,
    });
    let zeros = 0;
    let weights = 0;
    for (const { name, sparsity: share } of layers) {
      const { data } = model.layers.get(name)!.weights;
      const zerosHere = Array.from(data).filter((value) => value === 0).length;
      expect(share).toBeCloseTo(zerosHere / data.length, 12);
      zeros += zerosHere;
      weights += data.length;
    }
    expect(sparsity).toBeCloseTo(zeros / weights, 12);
  });
});

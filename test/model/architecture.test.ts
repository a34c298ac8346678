import { describe, expect, it } from 'vitest';
import { NeonsenseError } from '../../lib/errors.js';
import type { Architecture } from '../../lib/model/architecture.js';
import { inferArchitecture } from '../../lib/model/import/inferArchitecture.js';
import { layerNodes, layerSpecs, networkOf } from '../../lib/model/network.js';
import { torchvisionArchitecture } from '../torchvisionArchitecture.js';

const NETWORKS = ['mobilenet_v3_small', 'mobilenet_v3_large'] as const;

/** Shapes of the state_dict torchvision would save. */
function shapesOf(architecture: Architecture, { folded = false } = {}): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  for (const { name, shape, batchNorm } of layerSpecs(architecture)) {
    shapes.set(`${name}.weight`, shape);
    if (batchNorm === undefined || folded) {
      shapes.set(`${name}.bias`, [shape[0]!]);
    } else {
      for (const part of ['weight', 'bias', 'running_mean', 'running_var'])
        shapes.set(`${batchNorm}.${part}`, [shape[0]!]);
    }
  }
  return shapes;
}

function refusal(shapes: Map<string, readonly number[]>): NeonsenseError {
  try {
    inferArchitecture(shapes);
  } catch (error) {
    expect(error).toBeInstanceOf(NeonsenseError);
    expect((error as NeonsenseError).code).toBe('ERR_MODEL_ARCHITECTURE');
    return error as NeonsenseError;
  }
  throw new Error('the shapes were accepted');
}

describe('layerSpecs', () => {
  // The counts torchvision publishes in the metadata of its ImageNet weights (`num_params`).
  it.each([
    ['mobilenet_v3_small', 54, 2_542_856],
    ['mobilenet_v3_large', 64, 5_483_032],
  ] as const)('gives %s %i layers with as many parameters as torchvision counts', (name, layers, parameters) => {
    const specs = layerSpecs(torchvisionArchitecture(name, { classes: 1000 }));
    const count = specs.reduce(
      (sum, { shape, batchNorm }) =>
        sum + shape.reduce((a, b) => a * b, 1) + (batchNorm === undefined ? shape[0]! : 2 * shape[0]!),
      0,
    );
    expect(specs).toHaveLength(layers);
    expect(count).toBe(parameters);
  });

  it("names a block's layers as torchvision does, with and without an expansion", () => {
    const names = layerSpecs(torchvisionArchitecture()).map(({ name }) => name);
    expect(names.slice(0, 8)).toEqual([
      'features.0.0',
      'features.1.block.0.0',
      'features.1.block.1.fc1',
      'features.1.block.1.fc2',
      'features.1.block.2.0',
      'features.2.block.0.0',
      'features.2.block.1.0',
      'features.2.block.2.0',
    ]);
    expect(names.slice(-3)).toEqual(['features.12.0', 'classifier.0', 'classifier.3']);
  });

  it('applies the activation where the network does', () => {
    const nodes = layerNodes(networkOf(torchvisionArchitecture(), [224, 224]));
    const specs = new Map(nodes.map(({ spec, padding, shape }) => [spec.name, { ...spec, padding, places: shape }]));
    const stem = { activation: 'hard-swish', stride: 2, padding: [1, 1, 1, 1], groups: 1, places: [112, 112, 16] };
    expect(specs.get('features.0.0')).toMatchObject(stem);
    expect(specs.get('features.1.block.1.fc1')).toMatchObject({ activation: 'relu', shape: [8, 16, 1, 1] });
    expect(specs.get('features.1.block.1.fc2')).toMatchObject({ activation: 'hard-sigmoid', shape: [16, 8, 1, 1] });
    expect(specs.get('features.4.block.1.0')).toMatchObject({
      padding: [2, 2, 2, 2],
      groups: 96,
      stride: 2,
      shape: [96, 1, 5, 5],
    });
    expect(specs.get('features.4.block.3.0')).toMatchObject({ activation: 'none' });
    expect(specs.get('classifier.0')).toMatchObject({ activation: 'hard-swish', kind: 'linear' });
    expect(specs.get('classifier.3')).toMatchObject({ activation: 'none', shape: [10, 1024] });
  });
});

describe('inferArchitecture', () => {
  it.each(NETWORKS.flatMap((name) => [0.1, 0.35, 0.75, 1, 1.4].map((width) => [name, width] as const)))(
    'finds %s of width %f again from its shapes, folded or not',
    (name, width) => {
      const architecture = torchvisionArchitecture(name, { width, classes: 37 });
      expect(inferArchitecture(shapesOf(architecture))).toEqual(architecture);
      expect(inferArchitecture(shapesOf(architecture, { folded: true }))).toEqual(architecture);
    },
  );

  it('reads a single class and channel counts that are no multiple of 8', () => {
    const base = torchvisionArchitecture('mobilenet_v3_small', { classes: 1 });
    const blocks = base.blocks.map((block, index) => (index === 4 ? { ...block, expanded: 203, squeeze: 7 } : block));
    const architecture = { ...base, blocks, hidden: 1000 };
    expect(inferArchitecture(shapesOf(architecture))).toEqual(architecture);
  });

  it('names every tensor it would miss', () => {
    const complete = shapesOf(torchvisionArchitecture());
    for (const name of complete.keys()) {
      const shapes = new Map(complete);
      shapes.delete(name);
      expect(refusal(shapes).message).toContain(name);
    }
  });

  it('names a tensor of the wrong shape, with what was expected and found', () => {
    const shapes = shapesOf(torchvisionArchitecture());
    shapes.set('features.4.block.1.0.weight', [96, 1, 3, 3]);
    expect(refusal(shapes).message).toMatch(/\[96, 1, 5, 5\].*features\.4\.block\.1\.0\.weight.*\[96, 1, 3, 3\]/);
    for (const shape of [[], [16], [0, 3, 3, 3], [1e9, 3, 3, 3]]) {
      expect(refusal(shapesOf(torchvisionArchitecture()).set('features.0.0.weight', shape)).message).toContain(
        'features.0.0',
      );
    }
  });

  it('names a tensor the network does not have', () => {
    const shapes = shapesOf(torchvisionArchitecture()).set('classifier.4.weight', [1, 1]);
    expect(refusal(shapes).message).toContain('classifier.4.weight');
  });

  it('refuses a layer that has both a batch norm and a bias', () => {
    const shapes = shapesOf(torchvisionArchitecture()).set('features.0.0.bias', [16]);
    expect(refusal(shapes).message).toContain('features.0.0.bias');
  });

  it('says what it found in the checkpoint of another network', () => {
    expect(refusal(new Map([['conv1.weight', [64, 3, 7, 7]]])).message).toContain('conv1.weight');
    expect(refusal(new Map()).message).toContain('no tensors');
    const mobilenetV2 = new Map([
      ['features.0.0.weight', [32, 3, 3, 3]],
      ['features.18.0.weight', [1280, 320, 1, 1]],
    ]);
    expect(refusal(mobilenetV2 as Map<string, number[]>).message).toContain('features.1.block');
  });
});
